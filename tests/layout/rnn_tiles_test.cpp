#include "layout/rnn_tiles.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace longspan {
namespace {

constexpr RnnMachine kWide{.threads = 2, .lanes = 16, .registers = 32};

TEST(RnnTiles, EveryProblemHasATileThatFulfilsTheConstraints) {
  for (const std::int64_t threads : {1, 2, 16, 96}) {
    for (const std::int64_t registers : {8, 16, 32}) {
      for (const std::int64_t batch : {0, 1, 2, 3, 5, 8, 33}) {
        for (const std::int64_t heads : {1, 4, 12}) {
          for (const std::int64_t columns : {1, 16, 17, 64, 512}) {
            const RnnTiles t = choose_rnn_tiles({batch, heads, columns}, {threads, 16, registers});
            EXPECT_LE(t.rows * t.lanes + t.lanes + 1, registers);
            EXPECT_LE(t.rows, std::max<std::int64_t>(1, batch));
            EXPECT_LT(t.lanes * 16, columns + t.lanes * 16);
            EXPECT_LE(t.lanes, (columns + 15) / 16);
            EXPECT_GE((batch + t.rows - 1) / t.rows * heads, std::min(threads, batch * heads));
          }
        }
      }
    }
  }
}

// Loads for each row and vector: 4 x 4 (8 for 16), 8 x 2 (10 for 16), 8 x 1 (9 for 8).
TEST(RnnTiles, FewestLoads) {
  EXPECT_EQ(choose_rnn_tiles({.batch = 32, .heads = 4, .columns = 256}, kWide), (RnnTiles{4, 4}));
  EXPECT_EQ(choose_rnn_tiles({.batch = 32, .heads = 4, .columns = 32}, kWide), (RnnTiles{8, 2}));
  EXPECT_EQ(choose_rnn_tiles({.batch = 32, .heads = 4, .columns = 9}, kWide), (RnnTiles{8, 1}));
  EXPECT_EQ(choose_rnn_tiles({.batch = 1, .heads = 4, .columns = 256}, kWide), (RnnTiles{1, 4}));
}

TEST(RnnTiles, FewRegistersMakeSmallTiles) {
  const RnnTiles t = choose_rnn_tiles({.batch = 32, .heads = 4, .columns = 256}, {2, 16, 8});
  EXPECT_EQ(t.rows * t.lanes, 4);
}

TEST(RnnTiles, ManyThreadsShareTheBatch) {
  EXPECT_EQ(choose_rnn_tiles({.batch = 8, .heads = 1, .columns = 256}, {8, 16, 32}), (RnnTiles{1, 4}));
  EXPECT_EQ(choose_rnn_tiles({.batch = 8, .heads = 1, .columns = 256}, {4, 16, 32}), (RnnTiles{2, 4}));
}

// Six vectors of columns pass in strips of two without padding, in strips of four with two vectors of it.
TEST(RnnTiles, PaddingCounts) {
  EXPECT_EQ(choose_rnn_tiles({.batch = 8, .heads = 2, .columns = 96}, kWide), (RnnTiles{8, 2}));
}

}  // namespace
}  // namespace longspan
