// Arithmetic of the online softmax, written so that loops over rows of scores vectorise.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "ops/math.hpp"

namespace longspan::ops::detail {

// Floats in the order of integers: a maximum of integers may be vectorised, one of floats may not (for NaN's sake). NaN
// comes out as the largest.
template <class A>
using OrderedBits = std::conditional_t<sizeof(A) == 4, std::int32_t, std::int64_t>;
template <class A>
inline constexpr OrderedBits<A> kMagnitudeBits = sizeof(A) == 4 ? INT32_MAX : static_cast<OrderedBits<A>>(INT64_MAX);

template <class A>
KOKKOS_INLINE_FUNCTION OrderedBits<A> to_ordered(A x) {
  const auto bits = std::bit_cast<OrderedBits<A>>(x);
  return bits ^ ((bits >> (8 * sizeof(A) - 1)) & kMagnitudeBits<A>);
}
template <class A>
KOKKOS_INLINE_FUNCTION A from_ordered(OrderedBits<A> order) {
  return std::bit_cast<A>(order ^ ((order >> (8 * sizeof(A) - 1)) & kMagnitudeBits<A>));
}

// exp(x) for x <= 0 with fewer operations than math::exp: 0 below -87, and what rounding lifted above 0.5 counts as
// 0.5. A Taylor series about the nearest multiple of log 2, whose power of 2 is added to the exponent. The last choice
// is made by bits, not by a condition, or the compiler makes the sums that follow conditional and no longer vectorises
// them.
KOKKOS_INLINE_FUNCTION double exp_to_one(double x) { return math::exp(x); }
KOKKOS_INLINE_FUNCTION float exp_to_one(float x) {
  const float y = x < -88.0f ? -88.0f : x > 0.5f ? 0.5f : x;
  const float n = math::nearest(y * 1.44269504f);
  float r = Kokkos::fma(n, -0.693145752f, y);
  r = Kokkos::fma(n, -1.42860677e-6f, r);
  float p = 1.38888889e-3f;
  p = Kokkos::fma(p, r, 8.33333333e-3f);
  p = Kokkos::fma(p, r, 4.16666667e-2f);
  p = Kokkos::fma(p, r, 1.66666667e-1f);
  p = Kokkos::fma(p, r, 0.5f);
  p = Kokkos::fma(p, r, 1.0f);
  p = Kokkos::fma(p, r, 1.0f);
  const std::uint32_t power = static_cast<std::uint32_t>(static_cast<std::int32_t>(n)) << 23;
  const std::uint32_t large_enough = 0u - static_cast<std::uint32_t>(!(x < -87.0f));
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(p) + power) & large_enough);
}

}  // namespace longspan::ops::detail
