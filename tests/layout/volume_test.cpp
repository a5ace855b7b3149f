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

}  // namespace
}  // namespace longspan
