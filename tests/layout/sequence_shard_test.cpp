#include "layout/sequence_shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "layout/mask.hpp"

namespace longspan {
namespace {

constexpr ShardKind kKinds[] = {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped};

// All that a shard promises, for all ranks of one axis.
void expect_sound(ShardKind kind, std::int64_t length, int parts) {
  SCOPED_TRACE(testing::Message() << to_string(kind) << ", " << length << " positions, " << parts << " parts");
  std::vector<int> held(length, 0);
  std::int64_t longest = 0, shortest = length;
  for (int part = 0; part < parts; ++part) {
    const SequenceShard shard(kind, length, parts, part);
    std::int64_t row = 0, previous = -1;
    for (const PositionRun& run : shard.runs()) {
      ASSERT_GT(run.count, 0);
      ASSERT_EQ(run.row, row);
      ASSERT_GT(run.first, previous);
      row += run.count;
      previous = run.last();
    }
    const std::vector<std::int64_t> positions = shard.positions();
    ASSERT_EQ(static_cast<std::int64_t>(positions.size()), shard.local_length());
    ASSERT_EQ(row, shard.local_length());
    ASSERT_TRUE(std::is_sorted(positions.begin(), positions.end()));
    for (std::int64_t i = 0; i < row; ++i) {
      ASSERT_TRUE(positions[i] >= 0 && positions[i] < length);
      ++held[positions[i]];
      ASSERT_EQ(shard.place(positions[i]), (SequenceShard::Place{part, i}));
    }
    longest = std::max(longest, row);
    shortest = std::min(shortest, row);
  }
  ASSERT_TRUE(std::all_of(held.begin(), held.end(), [](int times) { return times == 1; }));
  ASSERT_EQ(SequenceShard(kind, length, parts, 0).longest(), longest);
  // A rank holds two chunks in zigzag, each of which may be one longer than another.
  ASSERT_LE(longest - shortest, kind == ShardKind::zigzag ? 2 : 1);
}

// Causal work of a rank: the keys that its queries see.
std::int64_t causal_work(ShardKind kind, std::int64_t length, int parts, int part) {
  std::int64_t work = 0;
  for (const std::int64_t position : SequenceShard(kind, length, parts, part).positions()) {
    work += visible(MaskRule{}, position, {0, length}).size();
  }
  return work;
}

TEST(SequenceShard, HoldsEveryPositionOnceForSmallSizes) {
  for (const ShardKind kind : kKinds) {
    for (int parts = 1; parts <= 9; ++parts) {
      for (std::int64_t length = 0; length <= 40; ++length) expect_sound(kind, length, parts);
    }
  }
}

TEST(SequenceShard, HoldsEveryPositionOnceForRandomSizes) {
  std::mt19937_64 random(2);
  for (const ShardKind kind : kKinds) {
    for (int trial = 0; trial < 30; ++trial) expect_sound(kind, random() % 3000, 1 + random() % 60);
  }
}

TEST(SequenceShard, HoldsEveryPositionOnceOnAThousandRanks) {
  for (const ShardKind kind : kKinds) {
    for (const std::int64_t length : {0, 1, 999, 1999, 2000, 20011}) expect_sound(kind, length, 1000);
  }
}

TEST(SequenceShard, AnyRankKnowsTheRunsOfAnother) {
  for (const ShardKind kind : kKinds) {
    const SequenceShard first(kind, 101, 7, 0);
    for (int part = 0; part < 7; ++part) {
      const SequenceShard other(kind, 101, 7, part);
      EXPECT_EQ(first.runs(part), other.runs());
      EXPECT_EQ(first.local_length(part), other.local_length());
    }
  }
}

TEST(SequenceShard, KnownRuns) {
  using Runs = std::vector<PositionRun>;
  EXPECT_EQ(SequenceShard(ShardKind::contiguous, 16, 4, 1).runs(), (Runs{{0, 4, 4, 1}}));
  EXPECT_EQ(SequenceShard(ShardKind::zigzag, 16, 4, 1).runs(), (Runs{{0, 2, 2, 1}, {2, 12, 2, 1}}));
  EXPECT_EQ(SequenceShard(ShardKind::striped, 16, 4, 1).runs(), (Runs{{0, 1, 4, 4}}));
}

TEST(SequenceShard, ZigzagChunksThatTouchAreOneRun) {
  for (const std::int64_t length : {1, 2, 7, 16}) {
    EXPECT_EQ(SequenceShard(ShardKind::zigzag, length, 1, 0).runs(), (std::vector<PositionRun>{{0, 0, length, 1}}));
  }
  EXPECT_EQ(SequenceShard(ShardKind::zigzag, 16, 4, 3).runs(), (std::vector<PositionRun>{{0, 6, 4, 1}}));
}

TEST(SequenceShard, CausalWorkOf16PositionsOn4Ranks) {
  const std::int64_t contiguous[] = {10, 26, 42, 58}, striped[] = {28, 32, 36, 40};
  for (int part = 0; part < 4; ++part) {
    EXPECT_EQ(causal_work(ShardKind::contiguous, 16, 4, part), contiguous[part]);
    EXPECT_EQ(causal_work(ShardKind::zigzag, 16, 4, part), 34);
    EXPECT_EQ(causal_work(ShardKind::striped, 16, 4, part), striped[part]);
  }
}

TEST(SequenceShard, ZigzagGivesEveryRankTheSameCausalWork) {
  for (const std::int64_t parts : {1, 2, 3, 8, 31}) {
    for (const std::int64_t chunk : {1, 2, 5, 16}) {
      for (int part = 0; part < parts; ++part) {
        ASSERT_EQ(causal_work(ShardKind::zigzag, 2 * parts * chunk, parts, part), 2 * parts * chunk * chunk + chunk);
      }
    }
  }
}

TEST(SequenceShard, RefusesWhatIsOutside) {
  EXPECT_ANY_THROW(SequenceShard(ShardKind::zigzag, -1, 2, 0));
  EXPECT_ANY_THROW(SequenceShard(ShardKind::zigzag, 8, 2, 2));
  EXPECT_ANY_THROW(SequenceShard(ShardKind::zigzag, 8, 2, -1));
  EXPECT_ANY_THROW(SequenceShard(ShardKind::zigzag, 8, 2, 0).place(8));
  EXPECT_ANY_THROW(SequenceShard(ShardKind::zigzag, 0, 2, 0).place(0));
}

}  // namespace
}  // namespace longspan
