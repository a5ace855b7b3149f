#include "tensor/random.hpp"

#include <gtest/gtest.h>

namespace longspan {
namespace {

void expect_words(const Philox4& r, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  EXPECT_EQ(r.v[0], a);
  EXPECT_EQ(r.v[1], b);
  EXPECT_EQ(r.v[2], c);
  EXPECT_EQ(r.v[3], d);
}

// Known answers of Random123's kat_vectors for philox4x32, 10 rounds; the third are digits of pi.
TEST(Philox, KnownAnswers) {
  expect_words(philox(0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  expect_words(philox(~0ull, ~0ull, ~0ull), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
  expect_words(philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e), 0xd16cfe09, 0x94fdcceb, 0x5001e420,
               0x24126ea1);
}

TEST(Philox, UniformNumbersLieInTheirRangeAndAverageToOneHalf) {
  double sum = 0;
  constexpr int kDraws = 20000;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const float f = uniform_float(3, i);
    const double d = uniform_double(3, i);
    ASSERT_TRUE(f >= 0 && f < 1);
    ASSERT_TRUE(d > 0 && d < 1);
    sum += d;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 5 / std::sqrt(12.0 * kDraws));
}

TEST(Philox, NormalNumbersHaveMeanZeroAndVarianceOne) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 20000;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double x = normal_double(4, i);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(1.0 * kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
}

}  // namespace
}  // namespace longspan
