// Arithmetic of the online softmax, written so that loops over rows of scores vectorise.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "ops/math.hpp"

namespace longspan::ops::detail {

// log2(e): exp(x) = 2^(kLog2E x).
template <class A>
inline constexpr A kLog2E = A(1.4426950408889634);

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

// 2^x for x <= 0 with fewer operations than math::exp: 0 below -126, also for minus infinity, and what rounding lifted
// above 0.5 counts as 0.5. A polynomial about the nearest whole number, which is added to the exponent. The last choice
// is made by bits, not by a condition, or the compiler makes the sums that follow conditional and no longer vectorises
// them.
KOKKOS_INLINE_FUNCTION double exp2_to_one(double x) { return Kokkos::exp2(x); }
KOKKOS_INLINE_FUNCTION float exp2_to_one(float x) {
  const float y = x > 0.5f ? 0.5f : x, n = math::nearest(y), r = y - n;
  const std::uint32_t power = static_cast<std::uint32_t>(static_cast<std::int32_t>(n)) << 23;
  const std::uint32_t large_enough = 0u - static_cast<std::uint32_t>(!(x < -126.0f));
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(math::exp2_of_rest(r)) + power) & large_enough);
}

}  // namespace longspan::ops::detail
