// Published systems on small inputs, by every method on any number of ranks, to the 8 digits of the golden numbers.
#include <gtest/gtest.h>

#include "mixers/golden_values.hpp"
#include "ops/score_rows.hpp"

namespace longspan::testing {
namespace {

constexpr double kDigits = 1e-8;

// The same values for each of `heads` heads: [outer, T, K] -> [outer, heads, T, K].
Values for_heads(const Values& one, std::int64_t outer, std::int64_t heads) {
  const auto size = static_cast<std::ptrdiff_t>(one.size()) / outer;
  Values all;
  for (std::int64_t i = 0; i < outer * heads; ++i) {
    const auto first = one.begin() + i / heads * size;
    all.insert(all.end(), first, first + size);
  }
  return all;
}
Values joined(Values a, const Values& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Four equal heads, so that methods take part that share heads.
TEST(GoldenAttention, EveryMethodOnEveryShard) {
  for (const GoldenAttention& golden : kGoldenAttention) {
    AttentionCase c = golden.c;
    c.B = 1, c.H = c.Hk = 4, c.K = 2, c.scale = 1 / std::sqrt(2.0);
    const AttentionInputs one = golden_inputs(c.T);
    const AttentionInputs in{for_heads(one.q, 1, c.H), for_heads(one.kv, 2, c.Hk), for_heads(one.dout, 1, c.H)};
    const Values o = for_heads(golden.o, 1, c.H), dq = for_heads(golden.dq, 1, c.H),
                 dkv = for_heads(joined(golden.dk, golden.dv), 2, c.Hk);
    for (const Spread& spread : spreads(c, world().size())) {
      const AxisOfWorld axis(world(), spread.inner);
      const auto method = make_sequence_method(spread.method, world().size(), spread.inner);
      for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
        c.kind = kind;
        const SequenceShard shard(kind, c.T, world().size(), world().rank());
        const AttentionOutcome got = run_attention(c, in, *method, axis);
        const auto expect = [&](const char* what, const Tensor& part, const Values& whole, std::int64_t outer) {
          EXPECT_LT(distance(to_values(part), to_values(local_rows(whole, c, outer, c.H, shard))), kDigits)
              << golden.name << ": " << what << " by " << spread.method << ", " << to_string(kind);
        };
        expect("o", got.o, o, 1);
        expect("dq", got.dq, dq, 1);
        expect("dkv", got.dkv, dkv, 2);
      }
    }
  }
}

// What rank `part` of 2 holds of the 4 tokens, and its rules.
struct GoldenRank {
  AttentionCase c{.B = 1, .H = 1, .Hk = 1, .T = 4, .K = 2};
  AttentionInputs in = golden_inputs(4);
  SequenceShard shard;
  ops::AttentionRules rules;
  Tensor q, k, v, dout;

  GoldenRank(ShardKind kind, bool causal, int part) : shard(kind, 4, 2, part) {
    const VisibleKeys seen = visible_keys({.causal = causal}, shard.positions(), {0}, 4);
    rules.scale = 1 / std::sqrt(2.0);
    rules.query_runs = shard.runs();
    rules.visible_begin = Indices(seen.begin, {1, 2});
    rules.visible_end = Indices(seen.end, {1, 2});
    const Tensor kv = local_rows(in.kv, c, 2, 1, shard);
    q = local_rows(in.q, c, 1, 1, shard), dout = local_rows(in.dout, c, 1, 1, shard);
    k = keys(kv), v = values(kv);
  }
  Tensor zeros(const Shape& shape) const { return Tensor::zeros(shape, Dtype::float64); }
};

TEST(GoldenAttention, CompleteRowsOfRingSelfAttention) {
  for (const bool causal : {false, true}) {
    const Values& golden = causal ? kGoldenWeightsCausal : kGoldenWeightsBidirectional;
    const Tensor positions = Tensor::from_host(std::vector<std::int32_t>{0, 1, 2, 3}, {4});
    for (int rank = 0; rank < 2; ++rank) {
      const GoldenRank mine(ShardKind::contiguous, causal, rank);
      const Tensor p = mine.zeros({1, 1, 2, 4}), dp = mine.zeros({1, 1, 2, 4});
      Values dk, dv;
      for (int owner = 0; owner < 2; ++owner) {
        const GoldenRank visitor(ShardKind::contiguous, causal, owner);
        const ops::KeyColumns columns{2 * owner, visitor.shard.runs()};
        ops::multiply_to_rows(mine.rules, mine.q, visitor.k, columns, p);
        ops::multiply_to_rows(mine.rules, mine.dout, visitor.v, columns, dp);
      }
      ops::softmax_rows(mine.rules, positions, p, p);
      EXPECT_LT(distance(to_values(p), Values(golden.begin() + 8 * rank, golden.begin() + 8 * rank + 8)), kDigits);
      if (causal) continue;
      ops::softmax_rows_backward(mine.rules, positions, p, dp, dp);
      for (int owner = 0; owner < 2; ++owner) {
        const ops::KeyColumns columns{2 * owner, mine.shard.runs(owner)};
        const Tensor dk_part = mine.zeros({1, 1, 2, 2}), dv_part = mine.zeros({1, 1, 2, 2});
        ops::add_rows_times_queries(mine.rules, dp, mine.q, columns, dk_part);
        ops::add_rows_times_queries(mine.rules, p, mine.dout, columns, dv_part);
        dk = joined(dk, to_values(dk_part)), dv = joined(dv, to_values(dv_part));
      }
      EXPECT_LT(distance(dk, kGoldenPartialDk[rank]), kDigits);
      EXPECT_LT(distance(dv, kGoldenPartialDv[rank]), kDigits);
    }
  }
}

TEST(GoldenAttention, BlocksOfTokenRing) {
  const std::vector<GoldenRank> ranks = {{ShardKind::zigzag, true, 0}, {ShardKind::zigzag, true, 1}};
  struct Result {
    Tensor o, lse;
  };
  const auto attend = [](const GoldenRank& owner, const std::vector<GoldenRank>& holders) {
    const ops::AttentionState state = ops::make_attention_state(owner.q);
    for (const GoldenRank& h : holders) ops::attention_visit(owner.rules, owner.q, h.k, h.v, h.shard.runs(), state);
    const Result result{owner.zeros(owner.q.shape()), owner.zeros({1, 1, 2})};
    ops::attention_finish(state, result.o, result.lse);
    return result;
  };
  for (const GoldenBlock& block : kGoldenBlocks) {
    const GoldenRank &owner = ranks[block.owner], &holder = ranks[block.holder];
    const Result part = attend(owner, {holder}), whole = attend(owner, ranks);
    EXPECT_LT(distance(to_values(part.o), block.o), kDigits);
    EXPECT_LT(distance(to_values(part.lse), block.lse), kDigits);
    Values lse;
    for (const std::int64_t t : owner.shard.positions()) lse.push_back(kGoldenLse[static_cast<std::size_t>(t)]);
    EXPECT_LT(distance(to_values(whole.lse), lse), kDigits);

    const Tensor delta = owner.zeros({1, 1, 2}), dq = owner.zeros(owner.q.shape()), dkv = owner.zeros({2, 1, 2, 2});
    ops::attention_delta(whole.o, owner.dout, delta);
    ops::attention_visit_backward(owner.rules, owner.q, holder.k, holder.v, holder.shard.runs(), whole.lse, owner.dout,
                                  delta, dq, keys(dkv), values(dkv));
    EXPECT_LT(distance(to_values(dq), block.dq), kDigits);
  }
}

}  // namespace
}  // namespace longspan::testing
