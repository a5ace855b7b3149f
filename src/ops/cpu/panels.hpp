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
inline constexpr int kLanes = 16, kPanelVectors = 4;
#else
inline constexpr int kLanes = 8, kPanelVectors = 2;
#endif
inline constexpr int kBlockRows = 6;
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

// The left side of a product, in bands of kBlockRows rows: step s of row r of a band is data[r * row + s * step], the
// next band begins `band` further on.
template <class Step>
struct StepRows {
  const Step* data;
  std::ptrdiff_t row, step, band;

  // Packed, or row == 1, or step == 1.
  StepRows(const Step* at, std::ptrdiff_t row_, std::ptrdiff_t step_, std::ptrdiff_t band_)
      : data(at), row(row_), step(step_), band(band_) {}
  // Rows all `row` apart.
  StepRows(const Step* at, std::ptrdiff_t row_, std::ptrdiff_t step_) : StepRows(at, row_, step_, kBlockRows * row_) {}
};

// c[r, j] = (what is there, if `add`) + sum over s of a(r, s) b(s, j), j < cols <= kPanel. Row s of b is at b + s
// b_row; it is read up to the next whole vector, whose rest may hold anything.
template <class Step>
void multiply_panel(const StepRows<Step>& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
                    std::ptrdiff_t c_row, int cols, bool add);

// Steps that a sum over n numbers has.
template <class Step>
constexpr std::int64_t steps_of(std::int64_t n) {
  return (n + kNumbersOfStep<Step> - 1) / kNumbersOfStep<Step>;
}

// The ways that the right side comes to lie as steps by columns: dst[s * width + j] for j < width, a multiple of
// kLanes, with zeros where there is nothing. `numbers` along the sum, `cols` <= width across it.
//   rows:     number k of column j is src[k * leading + j]
//   columns:  number k of column j is src[j * leading + k]
template <class T>
void pack_rows(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width);
template <class T>
void pack_columns(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width);

// The left side packed, `count` rows of `numbers`: a band's steps one after the other, in the room of
//   rows:     number k of row r is src[r * leading + k]
//   columns:  number k of row r is src[k * leading + r]
constexpr std::int64_t band_words(std::int64_t steps) {
  return steps * kBlockRows + kLanes;
}  // whole vectors are stored
constexpr std::int64_t words_of_bands(std::int64_t rows, std::int64_t steps) {
  return (rows + kBlockRows - 1) / kBlockRows * band_words(steps);
}
template <class T>
StepRows<StepOf<T>> rows_in_bands(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room);
template <class T>
StepRows<StepOf<T>> columns_in_bands(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room);
// Rows as they lie where they are whole steps already, else in bands.
template <class T>
StepRows<StepOf<T>> as_steps(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room);

// Two rows rounded to bfloat16 as pairs whose first is of `even`, n a multiple of kLanes.
void narrow_pairs(const float* even, const float* odd, int n, Pair* to);

}  // namespace longspan::ops::detail
