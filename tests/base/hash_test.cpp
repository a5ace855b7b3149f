#include "base/hash.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace longspan {
namespace {

TEST(Hash, NamesAndSeedsGiveDifferentKeys) {
  std::set<std::uint64_t> keys;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (int i = 0; i < 1000; ++i) keys.insert(hash_name("blocks." + std::to_string(i), seed));
  }
  EXPECT_EQ(keys.size(), 10000u);
}

// Weights of old seeds must stay what they were. SplitMix64's first output from state 0 is mix64 of its increment.
TEST(Hash, NeverChanges) {
  EXPECT_EQ(mix64(0x9e3779b97f4a7c15ull), 0xe220a8397b1dcdafull);
  static_assert(hash_name("a") != hash_name("b"));
}

}  // namespace
}  // namespace longspan
