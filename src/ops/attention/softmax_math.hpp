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

}  // namespace longspan::ops::detail
