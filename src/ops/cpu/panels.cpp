#include "ops/cpu/panels.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace longspan::ops::detail {
namespace {

template <int N, class Step>
void last_rows(const StepRows<Step>& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
               std::ptrdiff_t c_row, bool add) {
  switch (rows) {
    case 1:
      return multiply_block<1, N>(a, b, b_row, steps, c, c_row, add);
    case 2:
      return multiply_block<2, N>(a, b, b_row, steps, c, c_row, add);
    case 3:
      return multiply_block<3, N>(a, b, b_row, steps, c, c_row, add);
  }
  if constexpr (kBlockRows > 4) {
    if (rows == 4) return multiply_block<4, N>(a, b, b_row, steps, c, c_row, add);
    if (rows == 5) return multiply_block<5, N>(a, b, b_row, steps, c, c_row, add);
  }
}

template <int N, class Step>
void multiply_rows(const StepRows<Step>& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
                   std::ptrdiff_t c_row, bool add) {
  int r = 0;
  for (; r + kBlockRows <= rows; r += kBlockRows) {
    multiply_block<kBlockRows, N>(a.from(r), b, b_row, steps, c + r * c_row, c_row, add);
  }
  last_rows<N>(a.from(r), rows - r, b, b_row, steps, c + r * c_row, c_row, add);
}

// Results whose last vector would reach beyond a row go by way of whole vectors.
template <int N, class Step>
void multiply_ragged(const StepRows<Step>& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
                     std::ptrdiff_t c_row, int cols, bool add) {
  float block[2 * kBlockRows * N * kLanes] = {};  // twice: the next block is fetched
  for (int r = 0; r < rows; r += kBlockRows) {
    const int count = std::min(kBlockRows, rows - r);
    for (int i = 0; add && i < count; ++i) std::copy_n(c + (r + i) * c_row, cols, block + i * N * kLanes);
    multiply_rows<N>(a.from(r), count, b, b_row, steps, block, N * kLanes, add);
    for (int i = 0; i < count; ++i) std::copy_n(block + i * N * kLanes, cols, c + (r + i) * c_row);
  }
}

// Exchanges bit `kBit` of the row with that of the column.
template <int kBit, int... kColumn>
void exchange_bit(Pairs& low, Pairs& high, std::integer_sequence<int, kColumn...>) {
  const Pairs l = low, h = high;
  low = __builtin_shufflevector(l, h, (kColumn & kBit ? kLanes + kColumn - kBit : kColumn)...);
  high = __builtin_shufflevector(l, h, (kColumn & kBit ? kLanes + kColumn : kColumn + kBit)...);
}
template <int kBit>
void exchange_bits(Pairs (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & kBit) == 0) exchange_bit<kBit>(rows[i], rows[i | kBit], std::make_integer_sequence<int, kLanes>());
  }
}
// The transpose of a square of words.
void transpose(Pairs (&rows)[kLanes]) {
  exchange_bits<1>(rows);
  exchange_bits<2>(rows);
  exchange_bits<4>(rows);
  if constexpr (kLanes > 8) exchange_bits<8>(rows);
}

// kLanes bfloat16 in the low halves of words.
Pairs wide_words(const bfloat16* p) {
  using Halves [[gnu::vector_size(2 * kLanes)]] = std::uint16_t;
  Halves halves;
  std::memcpy(&halves, p, sizeof halves);
  return __builtin_convertvector(halves, Pairs);
}

// kLanes steps of a column whose numbers lie one after the other.
template <class T>
Pairs steps_at(const T* column) {
  if constexpr (std::is_same_v<T, bfloat16> && !kHasPairs) {
    return wide_words(column) << 16;
  } else {
    Pairs words;
    std::memcpy(&words, column, sizeof words);
    return words;
  }
}

inline Pair pair(bfloat16 even, bfloat16 odd) { return even.bits | static_cast<Pair>(odd.bits) << 16; }

// Step s of such a column.
template <class T>
StepOf<T> step_at(const T* column, int s, int numbers) {
  if constexpr (kNumbersOfStep<StepOf<T>> == 1) {
    return static_cast<float>(column[s]);
  } else {
    return pair(column[2 * s], 2 * s + 1 < numbers ? column[2 * s + 1] : bfloat16(0.0f));
  }
}

}  // namespace

template <class Step>
void multiply_panel(const StepRows<Step>& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
                    std::ptrdiff_t c_row, int cols, bool add) {
  const auto with = [&]<int N>() {
    if (cols == N * kLanes) return multiply_rows<N>(a, rows, b, b_row, steps, c, c_row, add);
    multiply_ragged<N>(a, rows, b, b_row, steps, c, c_row, cols, add);
  };
  static_assert(kPanelVectors == 4 || kPanelVectors == 2);
  const int vectors = (cols + kLanes - 1) / kLanes;
  if (vectors == 1) return with.template operator()<1>();
  if (vectors == 2) return with.template operator()<2>();
  if constexpr (kPanelVectors == 4) {
    if (vectors == 3) return with.template operator()<3>();
    if (vectors == 4) return with.template operator()<4>();
  }
}

template <class T>
void pack_rows(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width) {
  if constexpr (kNumbersOfStep<StepOf<T>> == 1) {
    for (int k = 0; k < numbers; ++k, src += leading, dst += width) {
      std::copy_n(src, cols, dst);
      std::fill(dst + cols, dst + width, 0.0f);
    }
  } else {
    for (int k = 0; k < numbers; k += 2, src += 2 * leading, dst += width) {
      const bool has_odd = k + 1 < numbers;
      int j = 0;
      for (; j + kLanes <= cols; j += kLanes) {
        const Pairs even = wide_words(src + j), odd = has_odd ? wide_words(src + leading + j) : Pairs{};
        *reinterpret_cast<Pairs*>(dst + j) = even | odd << 16;
      }
      for (; j < cols; ++j) dst[j] = pair(src[j], has_odd ? src[leading + j] : bfloat16(0.0f));
      std::fill(dst + cols, dst + width, 0u);
    }
  }
}

template <class T>
void pack_columns(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width) {
  using Step = StepOf<T>;
  constexpr int kNumbers = kNumbersOfStep<Step>;
  const int steps = static_cast<int>(steps_of<Step>(numbers)), whole = numbers / kNumbers / kLanes * kLanes;
  for (int j = 0; j < width; j += kLanes) {
    const int columns = std::clamp(cols - j, 0, kLanes);
    int s = 0;
    for (; columns == kLanes && s < whole; s += kLanes) {
      Pairs square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = steps_at(src + (j + i) * leading + s * kNumbers);
      transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) std::memcpy(dst + (s + i) * width + j, &square[i], sizeof square[i]);
    }
    for (; s < steps; ++s) {
      Step* const row = dst + s * width + j;
      for (int i = 0; i < columns; ++i) row[i] = step_at(src + (j + i) * leading, s, numbers);
      std::fill(row + columns, row + kLanes, Step(0));
    }
  }
}

template <class T>
StepRows<StepOf<T>> as_steps(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room, int width) {
  using Step = StepOf<T>;
  constexpr int kNumbers = kNumbersOfStep<Step>;
  const bool whole = sizeof(Step) == kNumbers * sizeof(T) && leading % kNumbers == 0 && numbers % kNumbers == 0 &&
                     reinterpret_cast<std::uintptr_t>(src) % alignof(Step) == 0;
  if (whole) return {reinterpret_cast<const Step*>(src), leading / kNumbers, 1};
  pack_columns(src, leading, numbers, count, room, width);
  return {room, 1, width};
}

#ifdef __AVX512BF16__
namespace {
__m256i narrowed(const float* from) { return std::bit_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from))); }
}  // namespace

void narrow(const float* from, int n, bfloat16* to) {
  int j = 0;
  for (; j + kLanes <= n; j += kLanes) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + j), narrowed(from + j));
  for (; j < n; ++j) to[j] = bfloat16(from[j]);
}

void narrow_pairs(const float* even, const float* odd, int n, Pair* to) {
  for (int j = 0; j < n; j += kLanes) {
    const __m512i low = _mm512_cvtepu16_epi32(narrowed(even + j)), high = _mm512_cvtepu16_epi32(narrowed(odd + j));
    _mm512_storeu_si512(to + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}
#else
void narrow(const float* from, int n, bfloat16* to) {
  for (int j = 0; j < n; ++j) to[j] = bfloat16(from[j]);
}
#endif

template void multiply_panel(const StepRows<float>&, int, const float*, std::ptrdiff_t, int, float*, std::ptrdiff_t,
                             int, bool);
#ifdef __AVX512BF16__
template void multiply_panel(const StepRows<Pair>&, int, const Pair*, std::ptrdiff_t, int, float*, std::ptrdiff_t, int,
                             bool);
#endif
template void pack_rows(const float*, std::ptrdiff_t, int, int, float*, int);
template void pack_rows(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*, int);
template void pack_columns(const float*, std::ptrdiff_t, int, int, float*, int);
template void pack_columns(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*, int);
template StepRows<float> as_steps(const float*, std::ptrdiff_t, int, int, float*, int);
template StepRows<StepOf<bfloat16>> as_steps(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*, int);

}  // namespace longspan::ops::detail
