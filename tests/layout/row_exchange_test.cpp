#include "layout/row_exchange.hpp"

#include <gtest/gtest.h>

namespace longspan {
namespace {

using Rows = std::vector<std::int64_t>;

// What every rank ends up with when all plans are carried out by hand; the payload of a row is its position.
std::vector<Rows> carry_out(ShardKind held, std::int64_t length, int parts, const WantedPositions& wanted) {
  std::vector<std::vector<Rows>> sent(static_cast<std::size_t>(parts), std::vector<Rows>(parts));
  std::vector<RowExchange> plans;
  for (int part = 0; part < parts; ++part) {
    const SequenceShard shard(held, length, parts, part);
    plans.push_back(plan_row_exchange(shard, wanted));
    const Rows positions = shard.positions();
    std::size_t i = 0;
    for (int to = 0; to < parts; ++to) {
      for (std::int64_t n = 0; n < plans.back().send_rows[to]; ++n) {
        sent[part][to].push_back(positions[plans.back().send[i++]]);
      }
    }
  }
  std::vector<Rows> got;
  for (int part = 0; part < parts; ++part) {
    Rows rows(plans[part].receive.size(), -1);
    std::size_t i = 0;
    for (int from = 0; from < parts; ++from) {
      EXPECT_EQ(plans[part].receive_rows[from], static_cast<std::int64_t>(sent[from][part].size()));
      for (const std::int64_t position : sent[from][part]) rows[plans[part].receive[i++]] = position;
    }
    got.push_back(rows);
  }
  return got;
}

TEST(RowExchange, ReshardingGivesEveryRankTheOtherShardsPositions) {
  for (const ShardKind from : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    for (const std::int64_t length : {0, 1, 5, 24, 37}) {
      for (const int parts : {1, 2, 3, 8}) {
        const auto positions = [&](int part) {
          return SequenceShard(ShardKind::contiguous, length, parts, part).positions();
        };
        const std::vector<Rows> got = carry_out(from, length, parts, positions);
        for (int part = 0; part < parts; ++part) EXPECT_EQ(got[part], positions(part));
      }
    }
  }
}

TEST(RowExchange, AnEdgeMaySpanSeveralRanks) {
  const auto edge = [](int part) { return edge_positions(SequenceShard(ShardKind::contiguous, 7, 5, part), part, 3); };
  // Ranks hold positions {0}, {1}, {2, 3}, {4}, {5, 6}.
  EXPECT_EQ(carry_out(ShardKind::contiguous, 7, 5, edge), (std::vector<Rows>{{}, {0}, {0, 1}, {1, 2, 3}, {2, 3, 4}}));
}

TEST(RowExchange, RowsBehindMaySpanSeveralRanks) {
  const auto behind = [](int part) {
    return following_positions(SequenceShard(ShardKind::contiguous, 7, 5, part), part, 3);
  };
  EXPECT_EQ(carry_out(ShardKind::contiguous, 7, 5, behind),
            (std::vector<Rows>{{1, 2, 3}, {2, 3, 4}, {4, 5, 6}, {5, 6}, {}}));
}

TEST(RowExchange, ARankWithoutPositionsWantsNoEdge) {
  EXPECT_EQ(edge_positions(SequenceShard(ShardKind::contiguous, 2, 4, 0), 0, 3), Rows{});
  EXPECT_EQ(edge_positions(SequenceShard(ShardKind::contiguous, 2, 4, 3), 3, 3), (Rows{0}));
  EXPECT_EQ(following_positions(SequenceShard(ShardKind::contiguous, 2, 4, 0), 0, 3), Rows{});
  EXPECT_EQ(following_positions(SequenceShard(ShardKind::contiguous, 2, 4, 1), 1, 3), (Rows{1}));
}

// Zigzag chunks of T / 2S positions: rank s keeps what its run of positions and its two chunks have in common.
TEST(RowExchange, RowsThatLeaveAreThoseThatTheOtherShardGivesToOthers) {
  const SequenceShard zigzag(ShardKind::zigzag, 16, 2, 0), run(ShardKind::contiguous, 16, 2, 0);
  EXPECT_EQ(plan_reshard(zigzag, run).leaving(0), 4);  // holds 0-3 and 12-15, keeps 0-3
  EXPECT_EQ(plan_reshard(run, zigzag).leaving(0), 4);
  EXPECT_EQ(plan_reshard(run, run).leaving(0), 0);
}

}  // namespace
}  // namespace longspan
