#include "layout/zero.hpp"

#include <gtest/gtest.h>

#include "base/hash.hpp"

namespace longspan {
namespace {

// Any size over any number of holders, one element and none included.
TEST(Zero, HoldersOwnEveryElementOfAPieceOnce) {
  std::uint64_t draw = 1;
  for (int trial = 0; trial < 300; ++trial) {
    const auto random = [&](std::uint64_t below) { return static_cast<std::int64_t>(mix64(++draw) % below); };
    const int holders = 1 + static_cast<int>(random(9));
    const std::int64_t begin = random(50), size = random(trial % 2 == 0 ? 12 : 1000);
    const Range piece{begin, begin + size};
    const std::vector<std::int64_t> counts = owned_counts(piece, holders);
    std::int64_t next = piece.begin;
    for (int i = 0; i < holders; ++i) {
      const Range own = owned_range(piece, {.index = i, .count = holders}, 1 + trial % 3);
      EXPECT_EQ(own.begin, next);
      EXPECT_EQ(own.size(), counts[static_cast<std::size_t>(i)]);
      EXPECT_LE(own.size(), (size + holders - 1) / holders);
      next = own.end;
      EXPECT_EQ(owned_range(piece, {.index = i, .count = holders}, 0), piece);
    }
    EXPECT_EQ(next, piece.end);
  }
}

// Of 7.5e9 parameters in bfloat16 with float32 gradients on 64 ranks: 18, 6 + 12/64, 2 + 16/64, 18/64 bytes each.
TEST(Zero, BytesAreThoseOfThePaperWithGradientsInFloat32) {
  constexpr std::int64_t whole = 7'500'000'000, owned = whole / 64;
  EXPECT_EQ(state_bytes(whole, whole, 2, 4, 0).all(), 18 * whole);
  EXPECT_EQ(state_bytes(whole, owned, 2, 4, 1).all(), 6 * whole + 12 * owned);
  EXPECT_EQ(state_bytes(whole, owned, 2, 4, 2).all(), 2 * whole + 16 * owned);
  EXPECT_EQ(state_bytes(whole, owned, 2, 4, 3).all(), 18 * owned);
  // In float32 values are their own masters.
  EXPECT_EQ(state_bytes(whole, whole, 4, 4, 0).all(), 16 * whole);
  EXPECT_EQ(state_bytes(whole, owned, 4, 4, 1).all(), 8 * whole + 8 * owned);
}

}  // namespace
}  // namespace longspan
