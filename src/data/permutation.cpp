#include <bit>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "data/store_windows.hpp"

namespace longspan {
namespace {

constexpr int kRounds = 6;

// A bijection of [0, 4^half_bits) for any round function: (left, right) -> (right, left xor f(right)).
std::uint64_t feistel(std::uint64_t x, int half_bits, std::uint64_t key) {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::uint64_t left = x >> half_bits, right = x & mask;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t f = mix64(mix64(right + 0x9e3779b97f4a7c15ull * static_cast<std::uint64_t>(round + 1)) ^ key);
    const std::uint64_t next = left ^ (f & mask);
    left = right;
    right = next;
  }
  return left << half_bits | right;
}

}  // namespace

std::int64_t permuted(std::int64_t i, std::int64_t n, std::uint64_t key) {
  LONGSPAN_CHECK(i >= 0 && i < n, "[permuted] {} is not in [0, {})", i, n);
  // The smallest even number of bits that holds n numbers: at most 4 n of them. Walking along the cycle from i until a
  // number below n comes up is a bijection of [0, n), since the way back is the same walk reversed.
  const int half_bits = (std::bit_width(static_cast<std::uint64_t>(n - 1)) + 1) / 2;
  std::uint64_t x = static_cast<std::uint64_t>(i);
  do {
    x = feistel(x, half_bits, key);
  } while (x >= static_cast<std::uint64_t>(n));
  return static_cast<std::int64_t>(x);
}

}  // namespace longspan
