#include "data/masked_tokens.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace longspan {
namespace {

constexpr MaskingRule kRule{.fraction = 0.15, .vocabulary = 50, .key = 9};

TEST(MaskToken, AsksForThePublishedShares) {
  const std::int64_t n = 400000;
  std::int64_t asked = 0, masked = 0, kept = 0;
  std::map<std::int32_t, std::int64_t> replaced;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t original = static_cast<std::int32_t>(i % 50);
    const MaskedToken entry = mask_token(kRule, original, i / 1000, i % 1000);
    if (entry.target < 0) {
      EXPECT_EQ(entry.token, original);
      continue;
    }
    EXPECT_EQ(entry.target, original);
    ++asked;
    if (entry.token == 50) {
      ++masked;
    } else if (entry.token == original) {
      ++kept;
    } else {
      ++replaced[entry.token];
    }
  }
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  // Five standard deviations of a share p of m draws: 5 sqrt(p (1 - p) / m).
  EXPECT_NEAR(share(asked, n), 0.15, 0.003);
  EXPECT_NEAR(share(masked, asked), 0.8, 0.009);
  EXPECT_NEAR(share(kept, asked), 0.1 + 0.1 / 50, 0.007);  // one random token in 50 is the original
  EXPECT_EQ(replaced.size(), 50U);
  for (const auto& [token, count] : replaced) {
    EXPECT_TRUE(token >= 0 && token < 50);
    EXPECT_GT(count, 60) << token;  // about 120 each
  }
}

std::vector<std::int32_t> targets(std::uint64_t key, std::int64_t sequence) {
  std::vector<std::int32_t> all;
  for (std::int64_t p = 0; p < 200; ++p) {
    all.push_back(mask_token({.fraction = 0.5, .vocabulary = 50, .key = key}, 7, sequence, p).target);
  }
  return all;
}

TEST(MaskToken, DependsOnKeySequenceAndPositionAlone) {
  EXPECT_EQ(targets(1, 3), targets(1, 3));
  EXPECT_NE(targets(1, 3), targets(2, 3));
  EXPECT_NE(targets(1, 3), targets(1, 4));
}

TEST(MaskToken, TheWholeOrAlmostNothingMayBeAskedFor) {
  for (std::int64_t p = 0; p < 100; ++p) {
    EXPECT_EQ(mask_token({.fraction = 1, .vocabulary = 5, .key = 1}, 3, 0, p).target, 3);
    EXPECT_EQ(mask_token({.fraction = 1e-12, .vocabulary = 5, .key = 1}, 3, 0, p).target, -1);
  }
}

}  // namespace
}  // namespace longspan
