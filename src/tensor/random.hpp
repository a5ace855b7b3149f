// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
// A value depends only on a key (seed and name) and a global index, so that every mesh draws the same numbers.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/host_device.hpp"

namespace longspan {

struct Philox4 {
  std::uint32_t v[4];
};

LONGSPAN_HOST_DEVICE inline Philox4 philox(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  Philox4 c = {{static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
                static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)}};
#pragma GCC unroll 10  // so that loops over counters vectorise
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ull * c.v[0], p1 = 0xCD9E8D57ull * c.v[2];
    c = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.v[1] ^ k0, static_cast<std::uint32_t>(p1),
          static_cast<std::uint32_t>(p0 >> 32) ^ c.v[3] ^ k1, static_cast<std::uint32_t>(p0)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// Uniform in [0, 1) with 32 bits: what dropout compares with its rate.
LONGSPAN_HOST_DEVICE inline float uniform_float(std::uint64_t key, std::uint64_t low, std::uint64_t high = 0) {
  return static_cast<float>(philox(key, low, high).v[0] >> 8) * (1.0f / 16777216.0f);
}

// Uniform in (0, 1) with 53 bits.
LONGSPAN_HOST_DEVICE inline double uniform_double(std::uint64_t key, std::uint64_t low, std::uint64_t high = 0) {
  const Philox4 r = philox(key, low, high);
  const std::uint64_t bits = (static_cast<std::uint64_t>(r.v[0]) << 32 | r.v[1]) >> 11;
  return (static_cast<double>(bits) + 0.5) * (1.0 / 9007199254740992.0);
}

// Standard normal by the Box-Muller transform, in double on every dtype so that meshes agree to the last bit.
LONGSPAN_HOST_DEVICE inline double normal_double(std::uint64_t key, std::uint64_t index) {
  const Philox4 r = philox(key, index, 0);
  const std::uint64_t a = (static_cast<std::uint64_t>(r.v[0]) << 32 | r.v[1]) >> 11;
  const std::uint64_t b = (static_cast<std::uint64_t>(r.v[2]) << 32 | r.v[3]) >> 11;
  const double u1 = (static_cast<double>(a) + 0.5) * (1.0 / 9007199254740992.0);
  const double u2 = (static_cast<double>(b) + 0.5) * (1.0 / 9007199254740992.0);
  return std::sqrt(-2.0 * std::log(u1)) * std::cos(6.283185307179586476925 * u2);
}

}  // namespace longspan
