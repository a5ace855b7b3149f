#include "tensor/bfloat16.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace longspan {
namespace {

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }
std::uint16_t rounded(std::uint32_t bits) { return bfloat16(from_bits(bits)).bits; }

TEST(Bfloat16, RoundsToTheNearest) {
  EXPECT_EQ(rounded(0x3f807fff), 0x3f80);  // just below half
  EXPECT_EQ(rounded(0x3f808001), 0x3f81);  // just above
}

TEST(Bfloat16, RoundsTiesToEven) {
  EXPECT_EQ(rounded(0x3f808000), 0x3f80);
  EXPECT_EQ(rounded(0x3f818000), 0x3f82);
  EXPECT_EQ(rounded(0xbf818000), 0xbf82);
}

TEST(Bfloat16, KeepsValuesOfEightBitsExactly) {
  for (const float x : {0.0f, -0.0f, 1.0f, -2.5f, 255.0f, 0x1p-126f, 0x1.fep127f}) {
    EXPECT_EQ(static_cast<float>(bfloat16(x)), x);
    EXPECT_EQ(std::signbit(static_cast<float>(bfloat16(x))), std::signbit(x));
  }
}

TEST(Bfloat16, NanStaysANan) {
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(from_bits(0x7f800001)))));  // its payload lies in the lost bits
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(from_bits(0xffffffff)))));
}

TEST(Bfloat16, InfinityStaysAndOverflowBecomesInfinity) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(static_cast<float>(bfloat16(infinity)), infinity);
  EXPECT_EQ(static_cast<float>(bfloat16(-infinity)), -infinity);
  EXPECT_EQ(static_cast<float>(bfloat16(std::numeric_limits<float>::max())), infinity);
}

TEST(Bfloat16, SubnormalsRoundLikeOthers) {
  EXPECT_EQ(rounded(0x00010000), 0x0001);
  EXPECT_EQ(rounded(0x00008000), 0x0000);  // a tie, to even
  EXPECT_EQ(rounded(0x00008001), 0x0001);
  EXPECT_EQ(rounded(0x007fffff), 0x0080);  // up into the normal numbers
}

}  // namespace
}  // namespace longspan
