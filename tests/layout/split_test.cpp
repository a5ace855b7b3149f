#include "layout/split.hpp"

#include <gtest/gtest.h>

#include <random>

#include "layout/parameter_shard.hpp"

namespace longspan {
namespace {

TEST(Split, CoversEveryItemOnceAndIsBalanced) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 500; ++trial) {
    const std::int64_t n = random() % 5000, parts = 1 + random() % 1000;
    std::int64_t next = 0;
    for (std::int64_t part = 0; part < parts; ++part) {
      const Range range = split(n, parts, part);
      ASSERT_EQ(range.begin, next);
      ASSERT_GE(range.size(), n / parts);
      ASSERT_LE(range.size(), n / parts + 1);
      next = range.end;
    }
    ASSERT_EQ(next, n);
  }
}

TEST(Split, OwnerHoldsTheItem) {
  for (std::int64_t n = 1; n <= 60; ++n) {
    for (std::int64_t parts = 1; parts <= 70; ++parts) {
      for (std::int64_t item = 0; item < n; ++item) {
        const Range range = split(n, parts, split_owner(n, parts, item));
        ASSERT_TRUE(range.begin <= item && item < range.end) << n << " items, " << parts << " parts, item " << item;
      }
    }
  }
}

TEST(Split, DoesNotOverflowForATrillionItems) {
  const std::int64_t n = (std::int64_t{1} << 40) + 1;
  EXPECT_EQ(split(n, 2000, 1999).end, n);
  EXPECT_EQ(split_owner(n, 2000, n - 1), 1999);
}

TEST(ParameterShard, KeepsGranulesWholeAndCoversTheDimension) {
  const ParameterShard shard{.dim = 0, .granule = 16};
  for (int parts = 1; parts <= 7; ++parts) {
    std::int64_t next = 0;
    for (int part = 0; part < parts; ++part) {
      const auto runs = shard.runs(5 * 16, parts, part);
      EXPECT_LE(runs.size(), 1U);
      EXPECT_EQ(count_entries(runs) % 16, 0);
      for (const PositionRun& run : runs) EXPECT_EQ(run.first, next);
      next += count_entries(runs);
    }
    EXPECT_EQ(next, 5 * 16);
  }
  EXPECT_TRUE(ParameterShard{}.replicated());
  EXPECT_FALSE(shard.replicated());
}

TEST(ParameterShard, ByPositionHoldsThePositionsOfTheSequenceShard) {
  const auto shard = ParameterShard::by_position(1, ShardKind::zigzag);
  EXPECT_TRUE(shard.over(Axis::sequence));
  EXPECT_FALSE(shard.over(Axis::tensor));
  EXPECT_EQ(shard.parts({.tensor = 2, .sequence = 3}), 3);
  EXPECT_EQ(shard.runs(13, 3, 1), SequenceShard(ShardKind::zigzag, 13, 3, 1).runs());
  EXPECT_EQ(
      count_entries(shard.runs(13, 3, 0)) + count_entries(shard.runs(13, 3, 1)) + count_entries(shard.runs(13, 3, 2)),
      13);
}

TEST(ParameterShard, ReplicatedIsOnePartOfEverything) {
  EXPECT_EQ(ParameterShard{}.parts({.tensor = 2, .sequence = 3}), 1);
  EXPECT_EQ(ParameterShard{}.runs(5, 1, 0), (std::vector<PositionRun>{{.row = 0, .first = 0, .count = 5}}));
  EXPECT_FALSE(ParameterShard{}.over(Axis::tensor));
}

}  // namespace
}  // namespace longspan
