#include "mixers/sequence/attention_layer.hpp"

namespace longspan {
namespace {

// Columns [first, n) of [B, n].
Indices columns_from(const Indices& x, std::int64_t first) {
  if (first == 0) return x;
  const std::int64_t b = x.shape()[0], n = x.shape()[1];
  const std::vector<std::int32_t>& all = x.host();
  std::vector<std::int32_t> kept;
  for (std::int64_t i = 0; i < b; ++i) kept.insert(kept.end(), all.begin() + i * n + first, all.begin() + (i + 1) * n);
  return {kept, {b, n - first}};
}

}  // namespace

ops::AttentionRules AttentionLayer::rules_for_part(int part, std::int64_t first_row) const {
  const SequenceShard rows = shard.of_part(part);
  const Visibility& seen = visibility->of(mask, rows, batch, document_starts);
  ops::AttentionRules all = rules;
  all.query_runs = slice_runs(rows.runs(), {first_row, rows.local_length()});
  all.visible_begin = columns_from(seen.begin, first_row);
  all.visible_end = columns_from(seen.end, first_row);
  all.poll = progress;
  return all;
}

}  // namespace longspan
