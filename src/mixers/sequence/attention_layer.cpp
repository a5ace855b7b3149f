#include "mixers/sequence/attention_layer.hpp"

namespace longspan {
namespace {

// Columns [first, n) of an int32 [B, n].
Tensor columns_from(const Tensor& x, std::int64_t first) {
  const std::int64_t b = x.dim(0), n = x.dim(1);
  const std::vector<std::int32_t> all = x.to_host<std::int32_t>();
  std::vector<std::int32_t> kept;
  for (std::int64_t i = 0; i < b; ++i) kept.insert(kept.end(), all.begin() + i * n + first, all.begin() + (i + 1) * n);
  return Tensor::from_host(kept, {b, n - first});
}

}  // namespace

ops::AttentionRules AttentionLayer::rules_for_part(int part, std::int64_t first_row) const {
  const SequenceShard rows = shard.of_part(part);
  const Visibility& seen = visibility->of(mask, rows, batch, document_starts);
  ops::AttentionRules all = rules;
  all.query_runs = slice_runs(rows.runs(), {first_row, rows.local_length()});
  all.visible_begin = first_row == 0 ? seen.begin : columns_from(seen.begin, first_row);
  all.visible_end = first_row == 0 ? seen.end : columns_from(seen.end, first_row);
  all.poll = progress;
  return all;
}

}  // namespace longspan
