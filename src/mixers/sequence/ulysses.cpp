#include "mixers/sequence/ulysses.hpp"

#include "layout/head_share.hpp"
#include "mixers/sequence/exchange_heads.hpp"

namespace longspan {
namespace {

std::vector<HeadShare> shares(std::int64_t heads, std::int64_t key_heads, int ranks) {
  std::vector<HeadShare> all;
  for (int u = 0; u < ranks; ++u) all.push_back(head_share(heads, key_heads, ranks, u));
  return all;
}

void require_heads(std::int64_t heads, int ranks) {
  if (heads >= ranks) return;
  throw UserError(
      "parallel.sequence_method: {} heads on a rank of the tensor axis cannot be shared by {} ranks of the sequence "
      "axis; use ulysses_ring with parallel.sequence_inner of at most {}",
      heads, ranks, heads);
}

}  // namespace

Variable Ulysses::attend(const AttentionLayer& layer, const Variable& q, const Variable& kv) const {
  const bool one_group = ranks_ == layer.size();
  const Comm& group = one_group ? layer.axes.all : layer.axes.inner;
  const Comm& outer = one_group ? layer.axes.self : layer.axes.outer;
  LONGSPAN_CHECK(group.size() == ranks_, "[ulysses] groups of {} on an axis of groups of {}", ranks_, group.size());
  require_heads(q.value().dim(1), ranks_);
  HeadExchange queries{group, layer.shard, {}}, key_values{group, layer.shard, {}};
  const std::vector<HeadShare> all = shares(q.value().dim(1), kv.value().dim(1), ranks_);
  for (const HeadShare& share : all) {
    queries.heads.push_back(share.heads);
    key_values.heads.push_back(share.key_heads);
  }
  const Range mine = all[static_cast<std::size_t>(group.rank())].heads;
  const AttentionLayer among_groups{layer.tape,
                                    {outer, layer.axes.self, outer, layer.axes.self},
                                    layer.shard.grouped(ranks_),
                                    layer.mask,
                                    layer.batch,
                                    layer.document_starts,
                                    layer.visibility,
                                    !key_values.shares_heads(),
                                    ops::rules_for_heads(layer.rules, mine.begin, mine.size())};
  const Variable y = among_groups_->attend(among_groups, rows_to_heads(layer.tape, queries, q),
                                           rows_to_heads(layer.tape, key_values, kv));
  return heads_to_rows(layer.tape, queries, y);
}

Traffic Ulysses::traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const {
  const int ranks = ranks_, me = shard.part() % ranks;
  const std::vector<HeadShare> all = shares(sizes.heads, sizes.key_heads, ranks);
  const HeadShare mine = all[static_cast<std::size_t>(me)];
  std::int64_t others_key_heads = -mine.key_heads.size();
  for (const HeadShare& share : all) others_key_heads += share.key_heads.size();
  const SequenceShard group = shard.grouped(ranks);
  const std::int64_t n = shard.local_length(), foreign = group.local_length() - n;
  const std::int64_t head_row = sizes.batch * sizes.head_width * sizes.element();

  AttentionSizes local = sizes;
  local.heads = mine.heads.size();
  local.key_heads = mine.key_heads.size();
  Traffic t = among_groups_->traffic(local, mask, group);
  if (ranks == 1) return t;
  t.forward_bytes +=
      head_row * (n * (sizes.heads - mine.heads.size()) + 2 * n * others_key_heads + foreign * mine.heads.size());
  t.backward_bytes += head_row * (n * (sizes.heads - mine.heads.size()) + foreign * mine.heads.size());
  const bool shared = others_key_heads + mine.key_heads.size() > sizes.key_heads;
  t.backward_bytes += sizes.batch * sizes.head_width * (shared ? sizes.sum_element() : sizes.element()) * 2 * foreign *
                      mine.key_heads.size();
  t.forward_messages += 3;
  t.backward_messages += 3;
  return t;
}

std::vector<double> Ulysses::work(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const {
  const int ranks = ranks_;
  const std::vector<double> groups = among_groups_->work(sizes, mask, shard.grouped(ranks));
  std::vector<double> share;
  for (int part = 0; part < shard.parts(); ++part) {
    const Range heads = head_share(sizes.heads, sizes.key_heads, ranks, part % ranks).heads;
    share.push_back(groups[static_cast<std::size_t>(part / ranks)] * static_cast<double>(heads.size()) /
                    static_cast<double>(sizes.heads));
  }
  return share;
}

}  // namespace longspan
