#include "layout/volume.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace longspan {
namespace {

TEST(Volume, CollectivesEqualTheRingAlgorithms) {
  for (int ranks = 1; ranks <= 9; ++ranks) {
    const std::int64_t piece = 7, whole = piece * ranks;
    EXPECT_EQ(reduce_scatter_volume(whole, ranks), (ranks - 1) * piece);
    EXPECT_EQ(all_gather_volume(whole, ranks), (ranks - 1) * piece);
    EXPECT_EQ(all_to_all_volume(whole, ranks), (ranks - 1) * piece);
    EXPECT_EQ(all_reduce_volume(whole, ranks), 2 * (ranks - 1) * piece);
  }
}

// Stages 0 to 2 send the same with one microbatch, stage 3 half as much again, where values and gradients have one
// dtype.
TEST(Volume, ZeroSendsTwoAndThreeTimesTheParameters) {
  constexpr std::int64_t n = 64 * 100;
  constexpr int g = 64;
  const auto both = [](int zero, std::int64_t microbatches) {
    return gradient_sum_volume(n, g, zero, microbatches) + value_gather_volume(n, g, zero, 2 * microbatches);
  };
  for (const int zero : {0, 1, 2}) EXPECT_EQ(both(zero, 1), 2 * n * (g - 1) / g);
  EXPECT_EQ(both(3, 1), 3 * n * (g - 1) / g);
  EXPECT_EQ(both(1, 4), both(0, 4));
  EXPECT_EQ(both(2, 4), 5 * n * (g - 1) / g);
  EXPECT_EQ(both(3, 4), 12 * n * (g - 1) / g);
}

}  // namespace
}  // namespace longspan
