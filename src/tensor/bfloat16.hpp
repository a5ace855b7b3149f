// A 2-byte bfloat16: storage and conversions only; arithmetic is done in float.
// Our own type, since Kokkos' bhalf_t is a plain float on CPU builds and would silently not round.
#pragma once

#include <bit>
#include <cstdint>

#include "tensor/host_device.hpp"

namespace longspan {

struct bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  // Round to nearest even; a NaN stays a (quiet) NaN.
  LONGSPAN_HOST_DEVICE bfloat16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = u + 0x7fffu + ((u >> 16) & 1u);
    const bool is_nan = value != value;  // as floats: AVX2 compares no unsigned integers, and loops of this vectorise
    bits = static_cast<std::uint16_t>((is_nan ? (u | 0x400000u) : rounded) >> 16);
  }
  LONGSPAN_HOST_DEVICE bfloat16(double value) : bfloat16(static_cast<float>(value)) {}
  LONGSPAN_HOST_DEVICE operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

static_assert(sizeof(bfloat16) == 2);

}  // namespace longspan
