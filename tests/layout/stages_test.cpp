#include "layout/stages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace longspan {
namespace {

std::vector<std::int64_t> sizes(const std::vector<Range>& ranges) {
  std::vector<std::int64_t> all;
  for (const Range& range : ranges) all.push_back(range.size());
  return all;
}

using Costs = std::vector<double>;

double dearest(const Costs& costs, double first, double last, const std::vector<Range>& ranges) {
  double most = 0;
  for (std::size_t c = 0; c < ranges.size(); ++c) {
    double cost = (c == 0 ? first : 0) + (c + 1 == ranges.size() ? last : 0);
    for (auto i = ranges[c].begin; i < ranges[c].end; ++i) cost += costs[static_cast<std::size_t>(i)];
    most = std::max(most, cost);
  }
  return most;
}

// Every cut of `layers` into chunks of one or more.
void for_each_cut(int layers, int chunks, std::vector<std::int64_t>& cut,
                  const std::function<void(const std::vector<Range>&)>& body) {
  if (chunks == 0) {
    if (layers == 0) body(split_by_sizes(cut));
    return;
  }
  for (int size = 1; size <= layers; ++size) {
    cut.push_back(size);
    for_each_cut(layers - size, chunks - 1, cut, body);
    cut.pop_back();
  }
}

TEST(Stages, HoldEveryLayerOnce) {
  for (int layers = 1; layers <= 12; ++layers) {
    for (int chunks = 1; chunks <= layers; ++chunks) {
      std::int64_t next = 0;
      for (const Range& range : split_by_cost(Costs(layers, 3.0), 0, 5, chunks)) {
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.size(), 1);
        next = range.end;
      }
      EXPECT_EQ(next, layers);
    }
  }
}

TEST(Stages, EqualLayersAreSharedEvenly) {
  EXPECT_EQ(sizes(split_by_cost(Costs(8, 1.0), 0, 0, 4)), (std::vector<std::int64_t>{2, 2, 2, 2}));
  const auto uneven = sizes(split_by_cost(Costs(9, 1.0), 0, 0, 4));
  EXPECT_EQ(std::count(uneven.begin(), uneven.end(), 2), 3);
}

TEST(Stages, TheHeadTakesTheRoomOfLayers) {
  EXPECT_EQ(sizes(split_by_cost(Costs(12, 1.0), 0, 2.4, 4)), (std::vector<std::int64_t>{3, 4, 4, 1}));
  EXPECT_EQ(sizes(split_by_cost(Costs(8, 1.0), 2, 2, 4)), (std::vector<std::int64_t>{1, 3, 3, 1}));
  // Dearer than all layers together: it has the one layer that a chunk must have.
  EXPECT_EQ(sizes(split_by_cost(Costs(7, 1.0), 0, 50, 3)), (std::vector<std::int64_t>{3, 3, 1}));
}

TEST(Stages, NoOtherCutHasACheaperDearestChunk) {
  const Costs costs = {5, 1, 1, 4, 2, 2, 7, 1, 3};
  for (int chunks = 1; chunks <= 6; ++chunks) {
    for (const double last : {0.0, 3.0, 9.0}) {
      const double best = dearest(costs, 1.5, last, split_by_cost(costs, 1.5, last, chunks));
      std::vector<std::int64_t> cut;
      for_each_cut(static_cast<int>(costs.size()), chunks, cut, [&](const std::vector<Range>& other) {
        EXPECT_GE(dearest(costs, 1.5, last, other), best - 1e-9) << chunks << " chunks";
      });
    }
  }
}

TEST(Stages, SizesByHand) { EXPECT_EQ(split_by_sizes({3, 4, 1}), (std::vector<Range>{{0, 3}, {3, 7}, {7, 8}})); }

}  // namespace
}  // namespace longspan
