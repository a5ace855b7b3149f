#include "layout/ring_route.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace longspan {
namespace {

std::vector<RingRoute> routes(int size) {
  std::vector<RingRoute> all = {RingRoute::up(size), RingRoute::down(size)};
  for (int inner = 1; inner <= size; ++inner) {
    if (size % inner == 0) all.push_back(RingRoute::nested(size, inner));
  }
  return all;
}

const std::vector<int> kSizes = {1, 2, 3, 4, 5, 6, 8, 12, 64, 1000};

TEST(RingRoute, EveryBlockVisitsEveryRankOnceAndComesHome) {
  for (const int size : kSizes) {
    for (const RingRoute& route : routes(size)) {
      for (const int rank : {0, size / 3, size - 1}) {
        std::vector<int> met(static_cast<std::size_t>(size));
        for (int step = 0; step < size; ++step) {
          const int owner = route.owner(rank, step);
          ++met[static_cast<std::size_t>(owner)];
          ASSERT_EQ(route.holder(owner, step), rank);
        }
        EXPECT_EQ(met, std::vector<int>(static_cast<std::size_t>(size), 1));
        EXPECT_EQ(route.owner(rank, 0), rank);
        EXPECT_EQ(route.holder(rank, size), rank) << "after the last step the gradients are at home";
      }
    }
  }
}

TEST(RingRoute, EachBlockIsPassedOnByARankThatHadIt) {
  for (const int size : kSizes) {
    for (const RingRoute& route : routes(size)) {
      int passed = 0;
      for (int step = 0; step < size; ++step) {
        for (const int next : route.next_steps(step)) {
          ++passed;
          EXPECT_EQ(route.origin(next), step);
          EXPECT_LT(step, next);
          EXPECT_LT(next, size);
        }
      }
      EXPECT_EQ(passed, size - 1) << "one way to each step but the first";
    }
  }
}

TEST(RingRoute, HopsBetweenNodesStartWhenABlockEntersANode) {
  const RingRoute route = RingRoute::nested(12, 4);
  EXPECT_EQ(route.next_steps(0), (std::vector<int>{1, 4}));
  EXPECT_EQ(route.next_steps(1), (std::vector<int>{2}));
  EXPECT_EQ(route.next_steps(3), (std::vector<int>{}));
  EXPECT_EQ(route.next_steps(4), (std::vector<int>{5, 8}));
  EXPECT_EQ(route.holder(0, 4), 4);  // the next node
  EXPECT_EQ(route.holder(0, 3), 3);  // the same node
}

TEST(RingRoute, UpAndDownAreMirrored) {
  EXPECT_EQ(RingRoute::up(5).holder(3, 1), 4);
  EXPECT_EQ(RingRoute::down(5).holder(3, 1), 2);
  EXPECT_EQ(RingRoute::up(5).owner(0, 1), 4);
}

}  // namespace
}  // namespace longspan
