// The pointwise part of a step, for one channel: gates and entering states to new states, and its gradient from the
// same values. A is float or double.
//   forward(g, s, next)            next states; g becomes what backward needs in its place
//   backward(g, s, dnext, dg, ds)  gradients of the gates and, apart from the recurrent matrix, of the entering states
// States that are all zero stand before the first step.
#pragma once

#include "ops/math.hpp"
#include "ops/rnn/rnn.hpp"

namespace longspan::ops::rnn {

// log(1 + x) for x in [0, 1]; in float 2 atanh(s) with s = x / (2 + x) <= 1/3, plain arithmetic that vectorises.
KOKKOS_INLINE_FUNCTION double log1p(double x) { return Kokkos::log1p(x); }
KOKKOS_INLINE_FUNCTION float log1p(float x) {
  const float s = x / (2.0f + x), q = s * s;
  float p = 1.0f / 13.0f;
  p = Kokkos::fma(p, q, 1.0f / 11.0f);
  p = Kokkos::fma(p, q, 1.0f / 9.0f);
  p = Kokkos::fma(p, q, 1.0f / 7.0f);
  p = Kokkos::fma(p, q, 1.0f / 5.0f);
  p = Kokkos::fma(p, q, 1.0f / 3.0f);
  p = Kokkos::fma(p, q, 1.0f);
  return 2.0f * s * p;
}

// log(sigmoid(x)), whose exponential is never of a large number.
template <class A>
KOKKOS_INLINE_FUNCTION A log_sigmoid(A x) {
  return (x < A(0) ? x : A(0)) - log1p(math::exp(x < A(0) ? x : -x));
}

struct Elman {
  static constexpr int kInputs = 1, kRecurrent = 1, kGates = 1, kStates = 1;

  template <class A>
  KOKKOS_INLINE_FUNCTION static void forward(A* g, const A*, A* next) {
    next[0] = g[0] = math::tanh(g[0]);
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static void backward(const A* g, const A*, const A* dnext, A* dg, A* ds) {
    dg[0] = dnext[0] * (A(1) - g[0] * g[0]);
    ds[0] = A(0);
  }
};

struct Gru {
  static constexpr int kInputs = 3, kRecurrent = 3, kGates = 4, kStates = 1;

  template <class A>
  KOKKOS_INLINE_FUNCTION static void forward(A* g, const A* s, A* next) {
    g[1] = math::sigmoid(g[1]);
    g[2] = math::sigmoid(g[2]);
    g[3] = math::tanh(g[3] + g[1] * g[0]);
    next[0] = g[2] * s[0] + (A(1) - g[2]) * g[3];
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static void backward(const A* g, const A* s, const A* dnext, A* dg, A* ds) {
    const A r = g[1], z = g[2], n = g[3];
    const A dn = dnext[0] * (A(1) - z) * (A(1) - n * n);
    dg[0] = dn * r;
    dg[1] = dn * g[0] * r * (A(1) - r);
    dg[2] = dnext[0] * (s[0] - n) * z * (A(1) - z);
    dg[3] = dn;
    ds[0] = dnext[0] * z;
  }
};

struct Lstm {
  static constexpr int kInputs = 4, kRecurrent = 4, kGates = 4, kStates = 2;

  template <class A>
  KOKKOS_INLINE_FUNCTION static void forward(A* g, const A* s, A* next) {
    g[0] = math::sigmoid(g[0]);
    g[1] = math::sigmoid(g[1]);
    g[2] = math::tanh(g[2]);
    g[3] = math::sigmoid(g[3]);
    next[1] = g[1] * s[1] + g[0] * g[2];
    next[0] = g[3] * math::tanh(next[1]);
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static void backward(const A* g, const A* s, const A* dnext, A* dg, A* ds) {
    const A i = g[0], f = g[1], z = g[2], o = g[3];
    const A c = math::tanh(f * s[1] + i * z), dc = dnext[1] + dnext[0] * o * (A(1) - c * c);
    dg[0] = dc * z * i * (A(1) - i);
    dg[1] = dc * s[1] * f * (A(1) - f);
    dg[2] = dc * i * (A(1) - z * z);
    dg[3] = dnext[0] * c * o * (A(1) - o);
    ds[0] = A(0);
    ds[1] = dc * f;
  }
};

// States h, c, n, m. From zero states n >= 1 after the first step, so that n = 0 tells that step, whose maximum is its
// own exponent. h does not depend on m, which is a constant of the gradient.
struct Slstm {
  static constexpr int kInputs = 4, kRecurrent = 4, kGates = 4, kStates = 4;

  template <class A>
  struct Scaled {
    A m, i, f;  // new maximum, e^(i - m), sig(f) e^(old m - m)
  };
  template <class A>
  KOKKOS_INLINE_FUNCTION static Scaled<A> scaled(const A* g, const A* s) {
    const A f = log_sigmoid(g[1]) + s[3];
    const A m = s[2] == A(0) || g[0] > f ? g[0] : f;
    return {m, math::exp(g[0] - m), s[2] == A(0) ? A(0) : math::exp(f - m)};
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static void forward(A* g, const A* s, A* next) {
    const Scaled<A> e = scaled(g, s);
    g[2] = math::tanh(g[2]);
    g[3] = math::sigmoid(g[3]);
    next[1] = e.f * s[1] + e.i * g[2];
    next[2] = e.f * s[2] + e.i;
    next[3] = e.m;
    next[0] = g[3] * next[1] / next[2];
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static void backward(const A* g, const A* s, const A* dnext, A* dg, A* ds) {
    const Scaled<A> e = scaled(g, s);
    const A z = g[2], o = g[3], n = e.f * s[2] + e.i, c = (e.f * s[1] + e.i * z) / n;
    const A dc = dnext[1] + dnext[0] * o / n, dn = dnext[2] - dnext[0] * o * c / n;
    dg[0] = (dc * z + dn) * e.i;
    dg[1] = (dc * s[1] + dn * s[2]) * e.f * math::sigmoid(-g[1]);
    dg[2] = dc * e.i * (A(1) - z * z);
    dg[3] = dnext[0] * c * o * (A(1) - o);
    ds[0] = A(0);
    ds[1] = dc * e.f;
    ds[2] = dn * e.f;
    ds[3] = A(0);
  }
};

}  // namespace longspan::ops::rnn
