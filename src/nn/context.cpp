#include "nn/context.hpp"

#include "nn/contiguous.hpp"

namespace longspan {

SequenceContext make_sequence_context(const SequenceShard& shard, std::int64_t first_position) {
  std::vector<std::int32_t> positions;
  for (const std::int64_t p : shard.positions()) positions.push_back(static_cast<std::int32_t>(first_position + p));
  SequenceContext context{shard, Indices(positions, {shard.local_length()}), {}};
  if (shard.kind() != ShardKind::contiguous && shard.parts() > 1) {
    const SequenceShard run(ShardKind::contiguous, shard.global_length(), shard.parts(), shard.part());
    context.contiguous = std::make_shared<ContiguousRun>(ContiguousRun{
        make_sequence_context(run, first_position), std::make_shared<RowExchange>(plan_reshard(shard, run)),
        std::make_shared<RowExchange>(plan_reshard(run, shard))});
  }
  return context;
}

Visibility make_visibility(const MaskRule& rule, const SequenceShard& shard, std::int64_t batch,
                           const std::vector<std::vector<std::int64_t>>& document_starts) {
  const std::vector<std::int64_t> positions = shard.positions();
  std::vector<std::int32_t> begin, end;
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::vector<std::int64_t> starts =
        document_starts.empty() ? std::vector<std::int64_t>{0} : document_starts[static_cast<std::size_t>(b)];
    const VisibleKeys keys = visible_keys(rule, positions, starts, shard.global_length());
    begin.insert(begin.end(), keys.begin.begin(), keys.begin.end());
    end.insert(end.end(), keys.end.begin(), keys.end.end());
  }
  const Shape shape{batch, shard.local_length()};
  return {Indices(begin, shape), Indices(end, shape)};
}

const Visibility& VisibilityCache::of(const MaskRule& rule, const SequenceShard& rows, std::int64_t batch,
                                      const std::vector<std::vector<std::int64_t>>& document_starts) {
  const Key key{rule.causal, rule.window, rows.parts(), rows.part()};
  const auto found = made_.find(key);
  if (found != made_.end()) return found->second;
  return made_.emplace(key, make_(rule, rows, batch, document_starts)).first->second;
}

Tensor make_dropout_rows(const SequenceShard& shard, std::int64_t batch, std::int64_t first_sequence) {
  std::vector<std::int64_t> rows;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (const std::int64_t position : shard.positions()) {
      rows.push_back((first_sequence + b) * shard.global_length() + position);
    }
  }
  return Tensor::from_host(rows, {static_cast<std::int64_t>(rows.size())});
}

}  // namespace longspan
