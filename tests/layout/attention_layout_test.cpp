// What the ways across the sequence axis ask of layout/: groups of parts, edges of windows, shares of heads, rows that
// travel.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "layout/halo.hpp"
#include "layout/head_share.hpp"
#include "layout/sequence_groups.hpp"
#include "layout/travelling_queries.hpp"
#include "layout/visible_pairs.hpp"

namespace longspan {
namespace {

constexpr ShardKind kKinds[] = {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped};

std::vector<std::int64_t> positions_of(const std::vector<PositionRun>& runs) {
  std::vector<std::int64_t> positions;
  for (const PositionRun& run : runs) {
    EXPECT_EQ(run.row, static_cast<std::int64_t>(positions.size())) << "rows follow each other";
    for (std::int64_t i = 0; i < run.count; ++i) positions.push_back(run.position(i));
  }
  return positions;
}

TEST(GroupedShard, HoldsTheRowsOfItsParts) {
  for (const ShardKind kind : kKinds) {
    for (const std::int64_t length : {0, 1, 5, 16, 37}) {
      for (const auto& [parts, size] : {std::pair{4, 2}, {6, 3}, {6, 2}, {5, 5}, {8, 1}}) {
        const SequenceShard base(kind, length, parts, 0), group = base.grouped(size);
        for (int part = 0; part < parts; ++part) {
          const std::vector<std::int64_t> all = positions_of(group.runs(part / size));
          EXPECT_EQ(group.local_length(part / size), static_cast<std::int64_t>(all.size()));
          std::int64_t moved = 0;
          for (const RowMove& move : rows_in_group(base, part, size)) {
            const std::vector<std::int64_t> mine = base.of_part(part).positions();
            for (std::int64_t i = 0; i < move.count; ++i, ++moved) {
              EXPECT_EQ(all[static_cast<std::size_t>(move.to + i * move.step)],
                        mine[static_cast<std::size_t>(move.row + i)]);
            }
          }
          EXPECT_EQ(moved, base.local_length(part));
        }
        for (std::int64_t p = 0; p < length; ++p) {
          const SequenceShard::Place place = group.place(p);
          EXPECT_EQ(positions_of(group.runs(place.part))[static_cast<std::size_t>(place.row)], p);
          EXPECT_EQ(place.part, base.place(p).part / size);
        }
      }
    }
  }
}

TEST(GroupedShard, NeighboursOfAZigzagMakeACoarserZigzag) {
  const SequenceShard group = SequenceShard(ShardKind::zigzag, 48, 6, 0).grouped(3);
  EXPECT_EQ(group.runs(0), SequenceShard(ShardKind::zigzag, 48, 2, 0).runs(0));
  EXPECT_EQ(group.runs(1), SequenceShard(ShardKind::zigzag, 48, 2, 0).runs(1));
}

TEST(Halo, IsWhatSomeQuerySeesAndNothingElseOnContiguousShards) {
  for (const ShardKind kind : kKinds) {
    for (const bool causal : {true, false}) {
      for (const std::int64_t window : {1, 2, 5, 30}) {
        const MaskRule rule{causal, window};
        const SequenceShard shard(kind, 23, 4, 0);
        for (int from = 0; from < 4; ++from) {
          for (int to = 0; to < 4; ++to) {
            std::set<std::int64_t> seen, fetched;
            for (const std::int64_t q : shard.of_part(to).positions()) {
              const Range keys = visible(rule, q, {0, 23});
              for (const std::int64_t k : shard.of_part(from).positions()) {
                if (k >= keys.begin && k < keys.end) seen.insert(k);
              }
            }
            const std::vector<Range> ranges = rows_needed(rule, shard, from, to);
            const std::vector<std::int64_t> packed = positions_of(runs_of_rows(shard.runs(from), ranges));
            EXPECT_EQ(count_rows(ranges), static_cast<std::int64_t>(packed.size()));
            fetched.insert(packed.begin(), packed.end());
            EXPECT_EQ(fetched.size(), packed.size());
            if (kind == ShardKind::striped) {
              EXPECT_TRUE(std::ranges::includes(fetched, seen));
            } else {
              EXPECT_EQ(fetched, seen);
            }
          }
        }
      }
    }
  }
}

TEST(HeadShare, CoversEveryQueryHeadOnceWithItsKeyHead) {
  for (const auto& [heads, key_heads] : {std::pair{12, 12}, {12, 3}, {9, 3}, {8, 1}, {7, 7}, {12, 4}}) {
    for (int ranks = 1; ranks <= heads; ++ranks) {
      std::int64_t next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const HeadShare share = head_share(heads, key_heads, ranks, rank);
        EXPECT_EQ(share.heads.begin, next);
        EXPECT_GT(share.heads.size(), 0);
        next = share.heads.end;
        const std::int64_t group = heads / key_heads;
        EXPECT_EQ(share.key_heads.begin, share.heads.begin / group);
        EXPECT_EQ(share.key_heads.end, (share.heads.end - 1) / group + 1);
        EXPECT_EQ(share.heads.size() % share.key_heads.size(), 0) << "the local layer is grouped-query attention";
      }
      EXPECT_EQ(next, heads);
    }
  }
}

TEST(SequenceGroups, ChoosesAProperDivisor) {
  EXPECT_EQ(sequence_group(8, 4), 4);
  EXPECT_EQ(sequence_group(8, 3), 2);
  EXPECT_EQ(sequence_group(8, 100), 4);
  EXPECT_EQ(sequence_group(7, 7), 7);
  EXPECT_EQ(sequence_group(7, 6), 1);
  EXPECT_EQ(sequence_group(1, 5), 1);
}

// The published schedule's message counts: rank 0 passes on half blocks only, rank r >= 1 sends S - r whole and r - 1
// half ones.
TEST(TravellingQueries, ShrinkToTheSecondHalfAsPublished) {
  for (const int ranks : {2, 3, 4, 5, 8}) {
    const SequenceShard shard(ShardKind::zigzag, 2 * ranks * 3, ranks, 0);
    const TravellingQueries plan({.causal = true}, shard);
    for (int rank = 0; rank < ranks; ++rank) {
      int whole = 0, half = 0;
      for (int step = 0; step + 1 < ranks; ++step) {
        const std::int64_t rows = plan.travelling_rows(plan.route().owner(rank, step), step + 1);
        if (rows == 6) ++whole;
        if (rows == 3) ++half;
      }
      EXPECT_EQ(whole, rank == 0 ? 0 : ranks - rank);
      EXPECT_EQ(half, rank == 0 ? ranks - 1 : rank - 1);
    }
  }
}

TEST(TravellingQueries, LeaveOutOnlyRowsThatSeeNothing) {
  for (const ShardKind kind : kKinds) {
    const SequenceShard shard(kind, 19, 4, 0);
    const TravellingQueries plan({.causal = true}, shard);
    for (int owner = 0; owner < 4; ++owner) {
      for (int holder = 0; holder < 4; ++holder) {
        const auto rows = slice_runs(shard.runs(owner), {0, plan.first_row(owner, holder)});
        EXPECT_EQ(visible_pairs({.causal = true}, rows, shard.runs(holder), 19), 0);
      }
    }
  }
}

TEST(VisiblePairs, AreBalancedOnAZigzagShard) {
  const MaskRule causal{.causal = true};
  const auto pairs = [&](ShardKind kind, int part) {
    return visible_pairs(causal, SequenceShard(kind, 16, 4, part).runs(), 16);
  };
  EXPECT_EQ((std::vector{pairs(ShardKind::contiguous, 0), pairs(ShardKind::contiguous, 1),
                         pairs(ShardKind::contiguous, 2), pairs(ShardKind::contiguous, 3)}),
            (std::vector<std::int64_t>{10, 26, 42, 58}));
  for (int part = 0; part < 4; ++part) EXPECT_EQ(pairs(ShardKind::zigzag, part), 34);
  EXPECT_EQ((std::vector{pairs(ShardKind::striped, 0), pairs(ShardKind::striped, 1), pairs(ShardKind::striped, 2),
                         pairs(ShardKind::striped, 3)}),
            (std::vector<std::int64_t>{28, 32, 36, 40}));
}

}  // namespace
}  // namespace longspan
