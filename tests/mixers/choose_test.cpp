// The choice of a method from sizes and rates alone.
#include "mixers/sequence/choose.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "mixers/attention_case.hpp"
#include "mixers/sequence/measure_rates.hpp"

namespace longspan::testing {
namespace {

// 100 GFLOP/s, and links that carry `gigabytes` a second each way at once.
MachineRates machine(double gigabytes) {
  const LinkRates link{
      .latency = 1e-6, .one_way = gigabytes * 1e9, .both_ways = 2 * gigabytes * 1e9, .all_to_all = gigabytes * 1e9};
  return {1e11, 1e11, link, link, link};
}

SpreadLayer layer(std::int64_t heads, std::int64_t key_heads) {
  return {.sizes = {.batch = 1, .heads = heads, .key_heads = key_heads, .head_width = 64, .dtype = Dtype::float32},
          .mask = {},
          .length = 8192,
          .ranks = 8,
          .inner = 2};
}

std::string best(const SpreadLayer& l, const MachineRates& m) { return rank_methods(l, m).front().method; }

bool offered(const std::string& method, const SpreadLayer& l) {
  const auto all = rank_methods(l, machine(1));
  return std::ranges::find(all, method, &MethodSeconds::method) != all.end();
}

TEST(Choose, TheSimplestWhereLinksAreFast) { EXPECT_EQ(best(layer(4, 4), machine(1000)), "ring"); }

TEST(Choose, BothWaysWhereManyKeyHeadsTravelOnSlowLinks) {
  MachineRates slow = machine(0.05);
  slow.all.all_to_all = slow.inner.all_to_all = 1e6;
  const std::string chosen = best(layer(16, 16), slow);
  EXPECT_TRUE(chosen == "bidirectional_ring" || chosen == "tokenring") << chosen;
  EXPECT_LT(predict_seconds("bidirectional_ring", layer(16, 16), slow), predict_seconds("ring", layer(16, 16), slow));
}

// Links that carry one direction at a time give nothing for going both ways.
TEST(Choose, OneWayWhereLinksCarryOneDirectionAtATime) {
  MachineRates half = machine(0.05);
  half.all.both_ways = half.all.one_way;
  half.all.all_to_all = half.inner.all_to_all = 1e6;
  EXPECT_NE(best(layer(16, 16), half), "bidirectional_ring");
}

TEST(Choose, AllToAllWhereItIsFastAndRingsAreSlow) {
  MachineRates fabric = machine(0.05);
  fabric.all.all_to_all = 1e10;
  EXPECT_EQ(best(layer(16, 16), fabric), "ulysses");
}

TEST(Choose, NoAllToAllWithFewHeads) {
  MachineRates fabric = machine(0.05);
  fabric.all.all_to_all = 1e12;
  EXPECT_FALSE(offered("ulysses", layer(4, 4)));
  EXPECT_NE(best(layer(4, 4), fabric), "ulysses");
}

TEST(Choose, EdgesForAWindow) {
  SpreadLayer l = layer(8, 8);
  EXPECT_FALSE(offered("window", l));
  l.mask.window = 128;
  EXPECT_EQ(best(l, machine(0.01)), "window");
}

// Queries are eight times as large as keys and values of one head for eight queries.
TEST(Choose, QueriesStayWhereEightShareAKeyHead) {
  const SpreadLayer l = layer(16, 2);
  const auto all = rank_methods(l, machine(0.05));
  EXPECT_NE(all.front().method, "tokenring");
  EXPECT_GT(predict_seconds("tokenring", l, machine(0.05)), 2 * predict_seconds("ring", l, machine(0.05)));
}

// Forward messages of TokenRing travel in both directions at once: half of a ring's time for as many key heads as
// queries, in float32 and without a causal mask (anchor: (S-1) u one way against 2 (S-1) u).
TEST(Choose, PassingQueriesTakesHalfOfARingsForward) {
  SpreadLayer l = layer(8, 8);
  l.mask.causal = false;
  const SequenceShard shard(l.shard, l.length, l.ranks, 0);
  const Traffic ring = make_sequence_method("ring", l.ranks, 1)->traffic(l.sizes, l.mask, shard);
  const Traffic token = make_sequence_method("tokenring", l.ranks, 1)->traffic(l.sizes, l.mask, shard);
  const std::int64_t returning = token.forward_returning_bytes, on = token.forward_bytes - returning;
  EXPECT_EQ(2 * on, ring.forward_bytes);
  EXPECT_EQ(returning, on + on / l.sizes.head_width);  // and a log-sum-exp a row
}

// Closed form by hand for the ring: S = 2, uniform work, messages longer than products.
TEST(Choose, PredictsARingByItsClosedForm) {
  SpreadLayer l = layer(1, 1);
  l.ranks = 2;
  l.inner = 1;
  l.length = 1024;
  l.mask.causal = false;
  MachineRates rates = machine(1);
  rates.all = {.latency = 0.5, .one_way = 1e6, .both_ways = 2e6, .all_to_all = 1e6};
  const double pairs = 1024.0 * 512, c = pairs * 64 / 1e11, block = 2.0 * 512 * 64 * 4 / 1e6;
  const double forward = 2 * c + std::max(2 * c, block + 0.5);
  const double last = block + 0.5, backward = 5 * c + std::max(5 * c, 3 * block + 2 * 0.5 - last) + last;
  EXPECT_NEAR(predict_seconds("ring", l, rates), forward + backward, 1e-9);
}

// All queries of the last rank see all keys: it alone is busy at every step.
TEST(Choose, CountsTheBusiestRank) {
  SpreadLayer even = layer(4, 4), uneven = even;
  uneven.shard = ShardKind::contiguous;
  const double ratio = predict_seconds("ring", uneven, machine(1e6)) / predict_seconds("ring", even, machine(1e6));
  EXPECT_NEAR(ratio, 2 - 1.0 / 8, 1e-3);
}

TEST(Choose, OneRankHasNoMessages) {
  SpreadLayer l = layer(4, 4);
  l.ranks = l.inner = 1;
  EXPECT_EQ(best(l, machine(1)), "ring");
}

TEST(Choose, NeighboursShareKeyHeadsOrMakeARing) {
  EXPECT_EQ(neighbours("ulysses_ring", 8, 4), 4);
  EXPECT_EQ(neighbours("double_ring", 16, 4), 4);
  EXPECT_EQ(neighbours("double_ring", 8, 1), 2);
}

// Every rank must come to the same choice, and a run's counters must not show what was sent to measure.
TEST(MeasureRates, AreTheSameOnAllRanksAndCountNothing) {
  SpreadLayer l = layer(4, 2);
  l.length = 256;
  l.ranks = world().size();
  l.inner = world().size() % 2 == 0 ? 2 : 1;
  const AxisOfWorld axis(world(), l.inner);
  const CommCount before = CommCounters::instance().of_group("sequence");
  const MachineRates rates = measure_rates(l, axis.axes());
  EXPECT_EQ(CommCounters::instance().of_group("sequence").calls, before.calls);
  for (const double rate : {rates.forward, rates.backward}) EXPECT_TRUE(rate > 1e6 && rate < 1e15) << rate;
  for (const LinkRates& link : {rates.all, rates.inner, rates.outer}) {
    for (const double value : {link.one_way, link.both_ways, link.all_to_all, rates.forward}) {
      EXPECT_GT(value, 0);
      EXPECT_EQ(value, world().all_reduce_value(value, Reduce::max));
    }
  }
  EXPECT_EQ(rates.all.one_way == LinkRates::kInfinite, world().size() == 1);
  const auto ranked = rank_methods(l, rates);
  EXPECT_TRUE(std::isfinite(ranked.front().seconds));
}

}  // namespace
}  // namespace longspan::testing
