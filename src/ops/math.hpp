// exp, sigmoid, tanh and the activations as plain arithmetic, so that loops over floats vectorise; double uses the
// library's functions. Float results are within 3 units in the last place unless said otherwise; exp(-inf) = 0,
// exp(large) = inf, NaN stays.
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstdint>

namespace longspan::ops::math {

// Limits of x, which are one instruction written so; NaN stays.
KOKKOS_INLINE_FUNCTION float at_least(float limit, float x) { return limit > x ? limit : x; }
KOKKOS_INLINE_FUNCTION float at_most(float limit, float x) { return limit < x ? limit : x; }
KOKKOS_INLINE_FUNCTION float between(float low, float high, float x) { return at_most(high, at_least(low, x)); }

// The nearest whole number.
KOKKOS_INLINE_FUNCTION float nearest(float x) { return ::rintf(x); }

KOKKOS_INLINE_FUNCTION double exp(double x) { return Kokkos::exp(x); }
KOKKOS_INLINE_FUNCTION double sigmoid(double x) { return 1.0 / (1.0 + Kokkos::exp(-x)); }

// exp(x) = 2^n exp(r), n = round(x / log 2), |r| <= log(2)/2. log 2 is subtracted in two parts, and 2^n is multiplied
// in two halves so that results may overflow to infinity or fade through the denormals to zero.
KOKKOS_INLINE_FUNCTION float exp(float x) {
  x = between(-110.0f, 100.0f, x);
  const float n = nearest(x * 1.44269504f);
  float r = Kokkos::fma(n, -0.693145752f, x);
  r = Kokkos::fma(n, -1.42860677e-6f, r);
  float p = 1.98412698e-4f;
  p = Kokkos::fma(p, r, 1.38888889e-3f);
  p = Kokkos::fma(p, r, 8.33333333e-3f);
  p = Kokkos::fma(p, r, 4.16666667e-2f);
  p = Kokkos::fma(p, r, 1.66666667e-1f);
  p = Kokkos::fma(p, r, 0.5f);
  p = Kokkos::fma(p, r, 1.0f);
  p = Kokkos::fma(p, r, 1.0f);
  const auto whole = static_cast<std::int32_t>(n);
  const std::int32_t half = whole >> 1;
  const auto power = [](std::int32_t e) { return Kokkos::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23); };
  return p * power(half) * power(whole - half);
}

// 2^r for |r| <= 1/2, what is left when the nearest whole number is taken away.
KOKKOS_INLINE_FUNCTION float exp2_of_rest(float r) {
  float p = 1.54614447e-4f;
  p = Kokkos::fma(p, r, 1.34004282e-3f);
  p = Kokkos::fma(p, r, 9.61805668e-3f);
  p = Kokkos::fma(p, r, 5.55032723e-2f);
  p = Kokkos::fma(p, r, 2.40226509e-1f);
  p = Kokkos::fma(p, r, 6.93147207e-1f);
  p = Kokkos::fma(p, r, 1.0f);
  return p;
}

// 2^x for x <= 0, down to 2^-126: for decays, with one polynomial and one multiplication.
KOKKOS_INLINE_FUNCTION double exp2_negative(double x) { return Kokkos::exp2(x); }
KOKKOS_INLINE_FUNCTION float exp2_negative(float x) {
  x = at_least(-126.0f, x);
  const float n = nearest(x), r = x - n;
  return exp2_of_rest(r) *
         Kokkos::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::int32_t>(n) + 127) << 23);
}

// log2(e): exp(x) = 2^(kLog2E x).
template <class A>
inline constexpr A kLog2E = A(1.4426950408889634);

// 2^x for x <= 0 with fewer operations than exp: 0 below -126, also for minus infinity, and what rounding lifted
// above 0.5 counts as 0.5. A polynomial about the nearest whole number, which is added to the exponent. The last choice
// is made by bits, not by a condition, or the compiler makes the sums that follow conditional and no longer vectorises
// them.
KOKKOS_INLINE_FUNCTION double exp2_to_one(double x) { return Kokkos::exp2(x); }
KOKKOS_INLINE_FUNCTION float exp2_to_one(float x) {
  const float y = at_most(0.5f, x), n = nearest(y), r = y - n;
  const std::uint32_t power = static_cast<std::uint32_t>(static_cast<std::int32_t>(n)) << 23;
  const std::uint32_t large_enough = 0u - static_cast<std::uint32_t>(!(x < -126.0f));
  return Kokkos::bit_cast<float>((Kokkos::bit_cast<std::uint32_t>(exp2_of_rest(r)) + power) & large_enough);
}

// 1 / (1 + 2^(n + r)) with n + r = -x / log 2: what of 2^(n + r) is too small or too large for a float does not count,
// so that its exponent is simply added. At least 1e-38.
KOKKOS_INLINE_FUNCTION float sigmoid(float x) {
  x = between(-87.0f, 87.0f, x);
  const float n = nearest(x * -1.44269504f);
  float r = Kokkos::fma(x, -1.44269502f, -n);
  r = Kokkos::fma(x, -1.92596299e-8f, r);
  const auto exponent = static_cast<std::uint32_t>(static_cast<std::int32_t>(n)) << 23;
  return 1.0f / (1.0f + Kokkos::bit_cast<float>(Kokkos::bit_cast<std::uint32_t>(exp2_of_rest(r)) + exponent));
}

// x P(x^2) / Q(x^2), fitted for the least relative error up to 8, where tanh is 1 to a float: within 5 units in the
// last place, never beyond 1.
KOKKOS_INLINE_FUNCTION double tanh(double x) { return Kokkos::tanh(x); }
KOKKOS_INLINE_FUNCTION float tanh(float x) {
  x = between(-8.0f, 8.0f, x);
  const float u = x * x;
  float p = 1.52304395e-8f, q = 8.52245538e-7f;
  p = Kokkos::fma(p, u, 2.18946774e-5f);
  q = Kokkos::fma(q, u, 3.41129357e-4f);
  p = Kokkos::fma(p, u, 3.57159898e-3f);
  q = Kokkos::fma(q, u, 2.61644466e-2f);
  p = Kokkos::fma(p, u, 1.34444988e-1f);
  q = Kokkos::fma(q, u, 4.67778261e-1f);
  p = Kokkos::fma(p, u, 1.0f);
  q = Kokkos::fma(q, u, 1.0f);
  return x * p / q;
}

// The activations and their derivatives; A is float or double.
// gelu(x) = x/2 (1 + tanh u) = x sigmoid(2u) with 2u = x (a + b x^2), a = sqrt(8/pi), b = 0.044715 a.
template <class A>
KOKKOS_INLINE_FUNCTION A gelu(A x) {
  const A a = A(1.5957691216057308), b = A(0.0713548162726009);
  return x * sigmoid(x * Kokkos::fma(b, x * x, a));
}
template <class A>
KOKKOS_INLINE_FUNCTION A gelu_derivative(A x) {
  const A a = A(1.5957691216057308), b = A(0.0713548162726009), square = x * x;
  const A s = sigmoid(x * Kokkos::fma(b, square, a));
  return Kokkos::fma(s * (A(1) - s), x * Kokkos::fma(A(3) * b, square, a), s);
}
template <class A>
KOKKOS_INLINE_FUNCTION A silu(A x) {
  return x * sigmoid(x);
}
template <class A>
KOKKOS_INLINE_FUNCTION A silu_derivative(A x) {
  const A s = sigmoid(x);
  return s * (A(1) + x * (A(1) - s));
}

}  // namespace longspan::ops::math
