// Matrix products of one thread at the rate of its multipliers: C = A B where B lies in panels of kPanel columns, row
// after row, so that a step of the sum loads whole vectors of B and one number of A for each row. A block of results
// stays in registers over all steps (Goto & van de Geijn 2008).
//
// A step of a sum is a float, or where the processor multiplies pairs of bfloat16 two neighbours along the sum, as one
// 32-bit word: both products are added to a float. Elsewhere bfloat16 become floats when they are packed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tensor/bfloat16.hpp"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace longspan::ops::detail {

// Floats of a vector register, and the block of results that leaves room for the operands: rows by vectors.
#if defined(__AVX512F__)
inline constexpr int kLanes = 16, kBlockRows = 4, kPanelVectors = 4;
#else
inline constexpr int kLanes = 8, kBlockRows = 6, kPanelVectors = 2;
#endif
inline constexpr int kPanel = kLanes * kPanelVectors;

// Whether the build knows the processor's vectors; matrix libraries choose their instructions at run time.
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
inline constexpr bool kHasVectors = true;
#else
inline constexpr bool kHasVectors = false;
#endif
#ifdef __AVX512BF16__
inline constexpr bool kHasPairs = true;
#else
inline constexpr bool kHasPairs = false;
#endif

using Pair = std::uint32_t;
template <class T>
using StepOf = std::conditional_t<kHasPairs && std::is_same_v<T, bfloat16>, Pair, float>;
template <class Step>
inline constexpr int kNumbersOfStep = std::is_same_v<Step, Pair> ? 2 : 1;

using Floats [[gnu::vector_size(4 * kLanes), gnu::aligned(4)]] = float;
using Pairs [[gnu::vector_size(4 * kLanes), gnu::aligned(4)]] = Pair;
template <class Step>
struct VectorOf {  // a conditional type would lose the attributes
  using type = Floats;
};
template <>
struct VectorOf<Pair> {
  using type = Pairs;
};

template <class Step>
auto load(const Step* p) {
  return *reinterpret_cast<const typename VectorOf<Step>::type*>(p);
}

inline Floats multiply_add(const Floats& sum, float a, const Floats& b) { return sum + a * b; }
#ifdef __AVX512BF16__
inline Floats multiply_add(const Floats& sum, Pair a, const Pairs& b) {
  const Pairs everywhere = a - Pairs{};
  return std::bit_cast<Floats>(
      _mm512_dpbf16_ps(std::bit_cast<__m512>(sum), std::bit_cast<__m512bh>(everywhere), std::bit_cast<__m512bh>(b)));
}
#endif

// Step s of row r is data[r * row + s * step].
template <class Step>
struct StepRows {
  const Step* data;
  std::ptrdiff_t row, step;

  StepRows from(std::ptrdiff_t r) const { return {data + r * row, row, step}; }
};

// The block [R, N vectors] of c: what is there if `add`, plus the sum over the steps. Meanwhile the block that comes
// next is fetched, R rows further on: rows of a wide matrix are far apart. (Too many fetches at once would stall.)
template <int R, int N, class Step>
[[gnu::always_inline]] inline void multiply_block(const StepRows<Step>& a, const Step* b, std::ptrdiff_t b_row,
                                                  int steps, float* c, std::ptrdiff_t c_row, bool add) {
  Floats sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sum[r][n] = add ? load(c + r * c_row + n * kLanes) : Floats{};
  }
  for (int first = 0; first < steps; first += kLanes) {
    const int last = first + kLanes < steps ? first + kLanes : steps, ahead = first / kLanes;
#pragma GCC unroll 8
    for (int r = R; r < 2 * R; ++r) {
      __builtin_prefetch(a.data + r * a.row + first * a.step);
      if (ahead < N) __builtin_prefetch(c + r * c_row + first);
    }
    for (int s = first; s < last; ++s) {
      typename VectorOf<Step>::type columns[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) columns[n] = load(b + s * b_row + n * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Step x = a.data[r * a.row + s * a.step];
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) sum[r][n] = multiply_add(sum[r][n], x, columns[n]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) *reinterpret_cast<Floats*>(c + r * c_row + n * kLanes) = sum[r][n];
  }
}

// c[r, j] = (what is there, if `add`) + sum over s of a(r, s) b(s, j), j < cols <= kPanel. Row s of b is at b + s
// b_row; it is read up to the next whole vector, whose rest may hold anything.
template <class Step>
void multiply_panel(const StepRows<Step>& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
                    std::ptrdiff_t c_row, int cols, bool add);

// The ways that rows by columns come to lie as steps by columns: dst[s * width + j] for j < width, a multiple of
// kLanes, with zeros where there is nothing. `numbers` along the sum, `cols` <= width across it.
//   rows:     number k of column j is src[k * leading + j]
//   columns:  number k of column j is src[j * leading + k]
template <class T>
void pack_rows(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width);
template <class T>
void pack_columns(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width);

// Rows of src, `leading` apart, as the left side of a product over `numbers` of them: as they lie where they are whole
// steps already, else packed into `room`, [steps, width] with width >= count.
template <class T>
StepRows<StepOf<T>> as_steps(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room, int width);

// The bfloat16 nearest to floats: one row, or two, n a multiple of kLanes, as pairs whose first is of `even`.
void narrow(const float* from, int n, bfloat16* to);
void narrow_pairs(const float* even, const float* odd, int n, Pair* to);

// Steps that a sum over n numbers has.
template <class Step>
constexpr std::int64_t steps_of(std::int64_t n) {
  return (n + kNumbersOfStep<Step> - 1) / kNumbersOfStep<Step>;
}

}  // namespace longspan::ops::detail
