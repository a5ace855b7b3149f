#include "layout/tensor_part.hpp"

#include <gtest/gtest.h>

#include <random>

#include "layout/parameter_shard.hpp"

namespace longspan {
namespace {

// Ranges of a part, run by run: `owner[e]` becomes the tag of the one that has logical element e.
void mark(const TensorPart& part, const Range& range, int tag, std::vector<int>& owner) {
  std::int64_t next = range.begin, previous = -1;
  for_each_run(part, range, [&](const ElementRun& run) {
    ASSERT_GT(run.count, 0);
    ASSERT_EQ(run.local, next);        // local elements without a gap
    ASSERT_GT(run.logical, previous);  // ascending, and neighbours would be one run
    next += run.count;
    previous = run.logical + run.count;
    for (std::int64_t i = 0; i < run.count; ++i) {
      ASSERT_EQ(owner.at(static_cast<std::size_t>(run.logical + i)), -1);
      owner[static_cast<std::size_t>(run.logical + i)] = tag;
    }
  });
  ASSERT_EQ(next, std::max(range.begin, range.end));
}

TEST(TensorPart, ARunGoesOnWhereItsNeighbourIs) {
  const TensorPart part{.outer = 2, .extent = 4, .inner = 3, .runs = {{.row = 0, .first = 1, .count = 2}}};
  std::vector<ElementRun> runs;
  for_each_run(part, {0, 12}, [&](const ElementRun& run) { runs.push_back(run); });
  EXPECT_EQ(runs, (std::vector<ElementRun>{{3, 0, 6}, {15, 6, 6}}));
  runs.clear();
  for_each_run(part, {4, 8}, [&](const ElementRun& run) { runs.push_back(run); });
  EXPECT_EQ(runs, (std::vector<ElementRun>{{7, 4, 2}, {15, 6, 2}}));
  runs.clear();
  const TensorPart whole{.outer = 2, .extent = 4, .inner = 3, .runs = {{.row = 0, .first = 0, .count = 4}}};
  for_each_run(whole, {5, 20}, [&](const ElementRun& run) { runs.push_back(run); });
  EXPECT_EQ(runs, (std::vector<ElementRun>{{5, 5, 15}}));
}

TEST(TensorPart, TheRanksOfAStageWriteEveryElementOnce) {
  std::mt19937 random(3);
  const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int trial = 0; trial < 400; ++trial) {
    const MeshShape mesh{1 + draw(3), 1 + draw(3), 1, 1 + draw(3)};
    const std::vector<std::int64_t> dims = {1 + draw(9), 1 + draw(9), 1 + draw(5)};
    const int dim = draw(4) - 1;  // -1: replicated
    const std::int64_t granule = dim >= 0 && dims[static_cast<std::size_t>(dim)] % 2 == 0 ? 2 : 1;
    const ParameterShard shard = draw(2) == 0 && dim >= 0
                                     ? ParameterShard::by_position(dim, static_cast<ShardKind>(draw(3)))
                                     : ParameterShard{.dim = dim, .granule = granule};
    const auto split_dim = static_cast<std::size_t>(std::max(0, dim));
    std::int64_t outer = 1, inner = 1;
    for (std::size_t i = 0; i < split_dim; ++i) outer *= dims[i];
    for (std::size_t i = split_dim + 1; i < dims.size(); ++i) inner *= dims[i];
    std::vector<int> owner(static_cast<std::size_t>(outer * dims[split_dim] * inner), -1);
    for (int rank = 0; rank < mesh.size(); ++rank) {
      const MeshCoordinate at = coordinate_of(mesh, rank);
      const TensorPart part{.outer = outer,
                            .extent = dims[split_dim],
                            .inner = inner,
                            .runs = shard.runs(dims[split_dim], shard.parts(mesh), at.along(shard.axis))};
      const Holder holder = holder_of(shard.split_axis(), mesh, at);
      ASSERT_EQ(holder.count * shard.parts(mesh), mesh.size());
      mark(part, split(part.size(), holder.count, holder.index), rank, owner);
      if (HasFatalFailure()) FAIL() << "trial " << trial;
    }
    ASSERT_EQ(std::ranges::count(owner, -1), 0) << "trial " << trial;
  }
}

TEST(TensorPart, SharesAreWholeBlocksThatTakeTurns) {
  for (const std::int64_t size : {0, 1, 65536, 65537, 1'000'000}) {
    for (const std::int64_t holders : {1, 3, 8}) {
      for (const std::int64_t turn : {0, 5}) {
        std::int64_t covered = 0;
        for (std::int64_t holder = 0; holder < holders; ++holder) {
          const Range share = written_share(size, holders, holder, turn);
          EXPECT_TRUE(share.size() == 0 || share.begin % 65536 == 0);
          covered += share.size();
        }
        EXPECT_EQ(covered, size);
      }
    }
  }
  EXPECT_NE(written_share(10, 4, 0, 0).size(), written_share(10, 4, 0, 3).size());
}

}  // namespace
}  // namespace longspan
