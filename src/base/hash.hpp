// A stable 64-bit hash of a name: the key of a parameter's or a dropout site's random stream.
#pragma once

#include <cstdint>
#include <string_view>

namespace longspan {

// Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// FNV-1a over the bytes, then mixed; the same on every platform.
constexpr std::uint64_t hash_name(std::string_view name, std::uint64_t seed = 0) {
  std::uint64_t h = 0xcbf29ce484222325ull ^ mix64(seed + 0x9e3779b97f4a7c15ull);
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return mix64(h);
}

}  // namespace longspan
