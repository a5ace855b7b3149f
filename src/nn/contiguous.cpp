#include "nn/contiguous.hpp"

#include "autograd/functions/exchange_rows.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kNoStart = -(std::int64_t{1} << 30);

}  // namespace

Variable in_contiguous_run(const Context& context, const Variable& x, const ContiguousMixing& mix) {
  const std::shared_ptr<ContiguousRun>& run = context.sequence.contiguous;
  if (!run) return mix(context, x);
  const Comm& axis = context.mesh.sequence();
  const Context inner{.tape = context.tape,
                      .mesh = context.mesh,
                      .sequence = run->sequence,
                      .batch = context.batch,
                      .first_sequence = context.first_sequence,
                      .document_starts = context.document_starts,
                      .dropout_key = context.dropout_key};
  const Variable y = mix(inner, exchange_rows(context.tape, x, run->enter, axis));
  return exchange_rows(context.tape, y, run->leave, axis);
}

Tensor document_rows(const Context& context) {
  const SequenceShard& shard = context.sequence.shard;
  LONGSPAN_CHECK(shard.runs().size() <= 1 && (shard.runs().empty() || shard.runs()[0].stride == 1),
                 "[document_rows] the shard is {}, not contiguous", to_string(shard.kind()));
  const std::int64_t t = shard.local_length(), first = t > 0 ? shard.runs()[0].first : 0;
  std::vector<std::int32_t> rows;
  rows.reserve(static_cast<std::size_t>(context.batch * t));
  for (std::int64_t b = 0; b < context.batch; ++b) {
    std::int64_t document = kNoStart;
    std::size_t next = 0;
    const std::vector<std::int64_t> starts = context.document_starts.empty()
                                                 ? std::vector<std::int64_t>{}
                                                 : context.document_starts[static_cast<std::size_t>(b)];
    for (std::int64_t row = 0; row < t; ++row) {
      for (; next < starts.size() && starts[next] <= first + row; ++next) document = starts[next] - first;
      rows.push_back(static_cast<std::int32_t>(document));
    }
  }
  return Tensor::from_host(rows, {context.batch, t}, Memory::workspace, "document rows");
}

}  // namespace longspan
