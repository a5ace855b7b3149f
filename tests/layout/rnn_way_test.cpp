#include "layout/rnn_way.hpp"

#include <gtest/gtest.h>

namespace longspan {
namespace {

constexpr RnnLayer lstm(std::int64_t batch, std::int64_t heads, std::int64_t head_width) {
  return {.batch = batch, .heads = heads, .head_width = head_width, .inputs = 4, .recurrent = 4, .states = 2};
}

TEST(RnnWay, FewerHeadsThanRanksLeaveTheRelay) {
  for (const std::int64_t batch : {1, 7}) {
    for (const std::int64_t width : {1, 512}) EXPECT_EQ(choose_rnn_way(lstm(batch, 3, width), 4).way, RnnWay::relay);
  }
  EXPECT_EQ(choose_rnn_way(lstm(1, 4, 512), 4).way, RnnWay::exchange);
}

TEST(RnnWay, OneRankNeedsNeither) { EXPECT_EQ(choose_rnn_way(lstm(8, 1, 64), 1), RnnCrossing{}); }

// A relay's time is turns for B + 1: one group of all sequences takes S (B + 1), groups of one (B + S - 1) 2.
TEST(RnnWay, TurnsOfARelay) {
  EXPECT_EQ(relay_turns(1, 8, 1), 9);
  EXPECT_EQ(relay_turns(4, 8, 1), 4 * 9);
  EXPECT_EQ(relay_turns(4, 8, 8), 11 * 2);
  EXPECT_EQ(relay_turns(4, 8, 3), 6 * 4);
}

TEST(RnnWay, NoOtherNumberOfGroupsTakesFewerTurns) {
  for (const int ranks : {2, 3, 8, 64}) {
    for (const std::int64_t batch : {1, 2, 5, 32}) {
      const RnnCrossing chosen = choose_rnn_way(lstm(batch, 1, 16), ranks);
      ASSERT_GE(chosen.groups, 1);
      for (std::int64_t groups = 1; groups <= batch; ++groups) {
        EXPECT_LE(relay_turns(ranks, batch, chosen.groups), relay_turns(ranks, batch, groups));
      }
    }
  }
  EXPECT_EQ(choose_rnn_way(lstm(1, 1, 16), 4).groups, 1);
  EXPECT_GT(choose_rnn_way(lstm(32, 1, 16), 4).groups, 4);
}

// Narrow heads: few products for a byte. Wide ones make waiting dear, and more ranks make it longer.
TEST(RnnWay, ARelayPaysForNarrowHeadsAndManySequences) {
  EXPECT_EQ(choose_rnn_way(lstm(64, 8, 8), 2).way, RnnWay::relay);
  EXPECT_EQ(choose_rnn_way(lstm(64, 8, 256), 2).way, RnnWay::exchange);
  EXPECT_EQ(choose_rnn_way(lstm(1, 8, 64), 8).way, RnnWay::exchange);
}

// Rows that must move before and after cost a relay what they weigh.
TEST(RnnWay, AnotherShardSpeaksForTheExchange) {
  RnnLayer layer = lstm(8, 8, 24);
  EXPECT_EQ(choose_rnn_way(layer, 2).way, RnnWay::relay);
  layer.contiguous = false;
  EXPECT_EQ(choose_rnn_way(layer, 2).way, RnnWay::exchange);
}

TEST(RnnWay, TheLastRankSendsNoState) {
  EXPECT_EQ(relay_volume(lstm(3, 5, 7), 4, 2), 2 * 3 * 5 * 7);
  EXPECT_EQ(relay_volume(lstm(3, 5, 7), 4, 3), 0);
  EXPECT_EQ(relay_volume(lstm(3, 5, 7), 1, 0), 0);
}

}  // namespace
}  // namespace longspan
