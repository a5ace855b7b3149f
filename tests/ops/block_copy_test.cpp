#include "ops/block_copy.hpp"

#include <gtest/gtest.h>

#include "support/compare.hpp"
#include "support/random_values.hpp"

namespace longspan::testing {
namespace {

double at(const Values& x, const Shape& s, std::int64_t a, std::int64_t h, std::int64_t r, std::int64_t k) {
  return x[static_cast<std::size_t>(((a * s[1] + h) * s[2] + r) * s[3] + k)];
}

TEST(BlockCopy, MovesHeadsAndEveryNthRow) {
  const Shape from_shape{2, 3, 5, 4}, to_shape{2, 4, 9, 4};
  const Values from = random_values(from_shape.size(), 1), before = random_values(to_shape.size(), 2);
  for (const bool add : {false, true}) {
    const Tensor source = to_tensor(from, from_shape, Dtype::float64),
                 target = to_tensor(before, to_shape, Dtype::float64);
    const ops::BlockRef a = ops::BlockRef(source).heads(1, 2).rows(2, 3);
    const ops::BlockRef b = ops::BlockRef(target).heads(2, 2).rows(1, 3, 3);
    if (add) {
      ops::add_block(a, b);
    } else {
      ops::copy_block(a, b);
    }
    const Values after = to_values(target);
    for (std::int64_t x = 0; x < 2; ++x) {
      for (std::int64_t h = 0; h < 4; ++h) {
        for (std::int64_t r = 0; r < 9; ++r) {
          for (std::int64_t k = 0; k < 4; ++k) {
            double expected = at(before, to_shape, x, h, r, k);
            if (h >= 2 && r % 3 == 1) {
              expected = at(from, from_shape, x, h - 1, r / 3 + 2, k) + (add ? expected : 0);
            }
            EXPECT_EQ(at(after, to_shape, x, h, r, k), expected);
          }
        }
      }
    }
  }
}

TEST(BlockCopy, AddsRoundedNumbersToSums) {
  const Tensor source = to_tensor({1.5, -2}, {1, 1, 1, 2}, Dtype::bfloat16);
  const Tensor target = to_tensor({0.25, 0.25}, {1, 1, 1, 2}, Dtype::float32);
  ops::add_block(ops::BlockRef(source), ops::BlockRef(target));
  EXPECT_EQ(to_values(target), (Values{1.75, -1.75}));
}

TEST(BlockCopy, RefusesBlocksOfDifferentSizes) {
  const Tensor x = Tensor::zeros({1, 2, 3, 4}, Dtype::float32);
  EXPECT_THROW(ops::copy_block(ops::BlockRef(x).rows(0, 2), ops::BlockRef(x).rows(0, 3)), std::logic_error);
  EXPECT_THROW(ops::BlockRef(x).rows(1, 3), std::logic_error);
  EXPECT_THROW(ops::BlockRef(x).heads(2, 1), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
