#include "layout/mesh_shape.hpp"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

namespace longspan {
namespace {

// Ranks and coordinates are two names of the same thing: every rank comes back, and no two share a coordinate.
void expect_bijection(const MeshShape& shape) {
  std::set<std::tuple<int, int, int, int>> seen;
  for (int rank = 0; rank < shape.size(); ++rank) {
    const MeshCoordinate at = coordinate_of(shape, rank);
    ASSERT_EQ(rank_of(shape, at), rank) << shape.str();
    for (const Axis axis : kAxes) {
      ASSERT_GE(at.along(axis), 0);
      ASSERT_LT(at.along(axis), shape.extent(axis)) << shape.str() << ", axis " << to_string(axis);
    }
    seen.insert({at.data, at.tensor, at.pipeline, at.sequence});
  }
  ASSERT_EQ(static_cast<int>(seen.size()), shape.size()) << shape.str();
}

TEST(MeshShape, RanksAndCoordinatesAreABijectionForAllFactorizationsUpTo64) {
  for (int size = 1; size <= 64; ++size) {
    for (int data = 1; data <= size; ++data) {
      if (size % data != 0) continue;
      for (int tensor = 1; tensor <= size / data; ++tensor) {
        if (size / data % tensor != 0) continue;
        const int rest = size / data / tensor;
        for (int pipeline = 1; pipeline <= rest; ++pipeline) {
          if (rest % pipeline != 0) continue;
          const MeshShape shape{data, tensor, pipeline, rest / pipeline};
          ASSERT_EQ(shape.size(), size);
          expect_bijection(shape);
        }
      }
    }
  }
}

TEST(MeshShape, RanksAndCoordinatesAreABijectionForTenThousandRanks) {
  expect_bijection({10, 10, 10, 10});
  expect_bijection({7, 9, 11, 13});
}

TEST(MeshShape, TensorIsFastestThenSequenceThenDataThenPipeline) {
  const MeshShape shape{.data = 2, .tensor = 3, .pipeline = 4, .sequence = 5};
  EXPECT_EQ(rank_of(shape, {.tensor = 1}), 1);
  EXPECT_EQ(rank_of(shape, {.sequence = 1}), 3);
  EXPECT_EQ(rank_of(shape, {.data = 1}), 15);
  EXPECT_EQ(rank_of(shape, {.pipeline = 1}), 30);
}

TEST(MeshShape, WithChangesOneAxisOnly) {
  const MeshShape shape{2, 3, 4, 5};
  const MeshCoordinate at{1, 2, 3, 4};
  for (const Axis axis : kAxes) {
    const MeshCoordinate moved = at.with(axis, 0);
    for (const Axis other : kAxes) EXPECT_EQ(moved.along(other), other == axis ? 0 : at.along(other));
  }
  EXPECT_EQ(shape.str(), "2x3x4x5 (data x tensor x pipeline x sequence)");
}

}  // namespace
}  // namespace longspan
