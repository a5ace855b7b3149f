#include "nn/contiguous.hpp"

#include <algorithm>

#include "autograd/functions/exchange_rows.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kFar = std::int64_t{1} << 30;

// The rows of each row's document, [B T_local].
std::vector<Range> document_ranges(const Context& context) {
  const SequenceShard& shard = context.sequence.shard;
  LONGSPAN_CHECK(shard.runs().size() <= 1 && (shard.runs().empty() || shard.runs()[0].stride == 1),
                 "[documents] the shard is {}, not contiguous", to_string(shard.kind()));
  const std::int64_t t = shard.local_length(), first = t > 0 ? shard.runs()[0].first : 0;
  std::vector<Range> documents;
  documents.reserve(static_cast<std::size_t>(context.batch * t));
  for (std::int64_t b = 0; b < context.batch; ++b) {
    const std::vector<std::int64_t> starts = context.document_starts.empty()
                                                 ? std::vector<std::int64_t>{}
                                                 : context.document_starts[static_cast<std::size_t>(b)];
    std::size_t next = 0;
    for (std::int64_t row = 0; row < t; ++row) {
      while (next < starts.size() && starts[next] <= first + row) ++next;
      documents.push_back(
          {next > 0 ? starts[next - 1] - first : -kFar, next < starts.size() ? starts[next] - first : kFar});
    }
  }
  return documents;
}

template <class F>
Tensor to_tensor(const Context& context, const std::vector<Range>& documents, const F& row_of) {
  const std::int64_t t = context.sequence.shard.local_length();
  std::vector<std::int32_t> rows;
  rows.reserve(documents.size());
  for (const Range& document : documents) rows.push_back(static_cast<std::int32_t>(row_of(document, t)));
  return Tensor::from_host(rows, {context.batch, t}, Memory::workspace, "document rows");
}

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
                      .dropout_key = context.dropout_key,
                      .remake = context.remake};
  const Variable y = mix(inner, exchange_rows(context.tape, x, run->enter, axis));
  return exchange_rows(context.tape, y, run->leave, axis);
}

Tensor document_rows(const Context& context) {
  return to_tensor(context, document_ranges(context),
                   [](const Range& document, std::int64_t) { return document.begin; });
}

Tensor document_ends(const Context& context) {
  return to_tensor(context, document_ranges(context), [](const Range& document, std::int64_t) { return document.end; });
}

Tensor reversed_documents(const Context& context) {
  std::vector<Range> documents = document_ranges(context);
  const auto t = static_cast<std::ptrdiff_t>(context.sequence.shard.local_length());
  for (auto at = documents.begin(); at != documents.end(); at += t) std::reverse(at, at + t);
  return to_tensor(context, documents,
                   [](const Range& document, std::int64_t t_local) { return t_local - document.end; });
}

}  // namespace longspan
