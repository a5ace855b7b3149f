#include "ops/cpu/panels.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

namespace longspan::ops::detail {
namespace {

// StepRows with distances that are known to the compiler where they can be: one that is not takes a register, and the
// results leave few.
template <std::ptrdiff_t N>
using Constant = std::integral_constant<std::ptrdiff_t, N>;
constexpr int kRun = 16;  // steps after which something is fetched: a line of words
template <class Step, class RowDistance, class StepDistance>
struct LeftSide {
  const Step* data;
  RowDistance row;
  StepDistance step;
  std::ptrdiff_t band;

  // From row r on, the first of a band.
  LeftSide from(std::ptrdiff_t r) const { return {data + r / kBlockRows * band, row, step, band}; }
  // The steps [first, first + kRun) of the next band, while it is not needed yet: rows of a wide matrix are far
  // apart.
  void fetch_next(int first) const {
    constexpr int kLine = 64 / sizeof(Step);
    const Step* const next = data + band + first * step;
    if constexpr (std::is_same_v<StepDistance, Constant<kBlockRows>>) {
      for (int word = 0; word < kRun * kBlockRows; word += kLine) __builtin_prefetch(next + word);
    } else if constexpr (std::is_same_v<StepDistance, Constant<1>>) {
      for (int r = 0; r < kBlockRows; ++r) __builtin_prefetch(next + r * row);
    }
  }
};

// The block [R, N vectors] of c: what is there if `add`, plus the sum over the steps. Meanwhile the block that comes
// next is fetched. (Too many fetches at once would stall.)
template <int R, int N, class Left, class Step>
[[gnu::always_inline]] inline void multiply_block(const Left& a, const Step* b, std::ptrdiff_t b_row, int steps,
                                                  float* c, std::ptrdiff_t c_row, bool add) {
  Floats sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sum[r][n] = add ? load(c + r * c_row + n * kLanes) : Floats{};
  }
  for (int first = 0; first < steps; first += kRun) {
    const int last = first + kRun < steps ? first + kRun : steps;
    a.fetch_next(first);
#pragma GCC unroll 8
    for (int r = 0; first < N * kLanes && r < R; ++r) __builtin_prefetch(c + (R + r) * c_row + first);
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

template <int N, class Left, class Step>
void last_rows(const Left& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c, std::ptrdiff_t c_row,
               bool add) {
  static_assert(kBlockRows == 6);
  switch (rows) {
    case 1:
      return multiply_block<1, N>(a, b, b_row, steps, c, c_row, add);
    case 2:
      return multiply_block<2, N>(a, b, b_row, steps, c, c_row, add);
    case 3:
      return multiply_block<3, N>(a, b, b_row, steps, c, c_row, add);
    case 4:
      return multiply_block<4, N>(a, b, b_row, steps, c, c_row, add);
    case 5:
      return multiply_block<5, N>(a, b, b_row, steps, c, c_row, add);
  }
}

template <int N, class Left, class Step>
void multiply_rows(const Left& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
                   std::ptrdiff_t c_row, bool add) {
  int r = 0;
  for (; r + kBlockRows <= rows; r += kBlockRows) {
    multiply_block<kBlockRows, N>(a.from(r), b, b_row, steps, c + r * c_row, c_row, add);
  }
  last_rows<N>(a.from(r), rows - r, b, b_row, steps, c + r * c_row, c_row, add);
}

// Results whose last vector would reach beyond a row go by way of whole vectors.
template <int N, class Left, class Step>
void multiply_ragged(const Left& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
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
[[gnu::always_inline]] inline void exchange_bit(Pairs& low, Pairs& high, std::integer_sequence<int, kColumn...>) {
  const Pairs l = low, h = high;
  low = __builtin_shufflevector(l, h, (kColumn & kBit ? kLanes + kColumn - kBit : kColumn)...);
  high = __builtin_shufflevector(l, h, (kColumn & kBit ? kLanes + kColumn : kColumn + kBit)...);
}
template <int kBit>
[[gnu::always_inline]] inline void exchange_bits(Pairs (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & kBit) == 0) exchange_bit<kBit>(rows[i], rows[i | kBit], std::make_integer_sequence<int, kLanes>());
  }
}
// The transpose of a square of words.
[[gnu::always_inline]] inline void transpose(Pairs (&rows)[kLanes]) {
  exchange_bits<1>(rows);
  exchange_bits<2>(rows);
  exchange_bits<4>(rows);
  if constexpr (kLanes > 8) exchange_bits<8>(rows);
}

template <int N>
struct WordsOf {
  using type [[gnu::vector_size(4 * N)]] = std::uint32_t;
  using Halves [[gnu::vector_size(2 * N)]] = std::uint16_t;
};
template <int N>
using Words = typename WordsOf<N>::type;

// N bfloat16 in the low halves of words.
template <int N>
Words<N> wide_words(const bfloat16* p) {
  typename WordsOf<N>::Halves halves;
  std::memcpy(&halves, p, sizeof halves);
  return __builtin_convertvector(halves, Words<N>);
}

// N steps whose numbers lie one after the other.
template <int N, class T>
Words<N> steps_along(const T* p) {
  if constexpr (std::is_same_v<T, bfloat16> && !kHasPairs) {
    return wide_words<N>(p) << 16;
  } else {
    Words<N> words;
    std::memcpy(&words, p, sizeof words);
    return words;
  }
}
// N steps side by side: each of a number of `even` and, where steps are pairs, of the one below in `odd`, if any.
template <int N, class T>
Words<N> steps_across(const T* even, const T* odd) {
  if constexpr (kNumbersOfStep<StepOf<T>> == 1) {
    return steps_along<N>(even);
  } else {
    const Words<N> low = wide_words<N>(even);
    return odd != nullptr ? low | wide_words<N>(odd) << 16 : low;
  }
}

// One step alone.
template <class T>
StepOf<T> step_across(const T* even, const T* odd) {
  if constexpr (kNumbersOfStep<StepOf<T>> == 1) {
    return static_cast<float>(*even);
  } else {
    return even->bits | (odd != nullptr ? static_cast<Pair>(odd->bits) << 16 : 0);
  }
}
template <class T>
StepOf<T> step_along(const T* column, int s, int numbers) {
  constexpr int kNumbers = kNumbersOfStep<StepOf<T>>;
  const T* const p = column + s * kNumbers;
  return step_across(p, s * kNumbers + 1 < numbers ? p + 1 : nullptr);
}

// pack_columns for kColumns <= kLanes columns, `width` apart. Whole vectors are stored: what is beyond the columns is
// overwritten by the next step, or lies in the room after the last.
template <int kColumns, class T>
void pack_few_columns(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width) {
  using Step = StepOf<T>;
  constexpr int kNumbers = kNumbersOfStep<Step>;
  const int steps = static_cast<int>(steps_of<Step>(numbers)), whole = numbers / kNumbers / kLanes * kLanes;
  int s = 0;
  for (; cols == kColumns && s < whole; s += kLanes) {
    Pairs square[kLanes] = {};
#pragma GCC unroll 16
    for (int i = 0; i < kColumns; ++i) square[i] = steps_along<kLanes>(src + i * leading + s * kNumbers);
    transpose(square);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) std::memcpy(dst + (s + i) * width, &square[i], sizeof square[i]);
  }
  for (; s < steps; ++s) {
    Step* const row = dst + s * width;
    for (int i = 0; i < cols; ++i) row[i] = step_along(src + i * leading, s, numbers);
    std::fill(row + cols, row + kColumns, Step(0));
  }
}

constexpr int kAhead = 16;  // rows that are fetched before they are packed: no processor foresees such distances

template <class Step>
StepRows<Step> in_bands(const Step* room, std::int64_t steps) {
  return {room, 1, kBlockRows, band_words(steps)};
}

}  // namespace

template <class Step>
void multiply_panel(const StepRows<Step>& a, int rows, const Step* b, std::ptrdiff_t b_row, int steps, float* c,
                    std::ptrdiff_t c_row, int cols, bool add) {
  const auto with = [&]<int N>(const auto& left) {
    if (cols == N * kLanes) return multiply_rows<N>(left, rows, b, b_row, steps, c, c_row, add);
    multiply_ragged<N>(left, rows, b, b_row, steps, c, c_row, cols, add);
  };
  const auto with_left = [&](const auto& left) {
    static_assert(kPanelVectors == 4 || kPanelVectors == 2);
    const int vectors = (cols + kLanes - 1) / kLanes;
    if (vectors == 1) return with.template operator()<1>(left);
    if (vectors == 2) return with.template operator()<2>(left);
    if constexpr (kPanelVectors == 4) {
      if (vectors == 3) return with.template operator()<3>(left);
      if (vectors == 4) return with.template operator()<4>(left);
    }
  };
  if (a.step == 1) return with_left(LeftSide<Step, std::ptrdiff_t, Constant<1>>{a.data, a.row, {}, a.band});
  if (a.step == kBlockRows) return with_left(LeftSide<Step, Constant<1>, Constant<kBlockRows>>{a.data, {}, {}, a.band});
  with_left(LeftSide<Step, Constant<1>, std::ptrdiff_t>{a.data, {}, a.step, a.band});
}

template <class T>
void pack_rows(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width) {
  constexpr int kNumbers = kNumbersOfStep<StepOf<T>>;
  for (int k = 0; k < numbers; k += kNumbers, src += kNumbers * leading, dst += width) {
    const T* const odd = k + 1 < numbers ? src + leading : nullptr;
    for (int n = 0; n < kNumbers; ++n) __builtin_prefetch(src + (kAhead + n) * leading);
    int j = 0;
    for (; j + kLanes <= cols; j += kLanes) {
      const Pairs steps = steps_across<kLanes>(src + j, odd == nullptr ? odd : odd + j);
      std::memcpy(dst + j, &steps, sizeof steps);
    }
    for (; j < cols; ++j) dst[j] = step_across(src + j, odd == nullptr ? odd : odd + j);
    std::fill(dst + cols, dst + width, StepOf<T>(0));
  }
}

template <class T>
void pack_columns(const T* src, std::ptrdiff_t leading, int numbers, int cols, StepOf<T>* dst, int width) {
  for (int j = 0; j < width; j += kLanes) {
    pack_few_columns<kLanes>(src + j * leading, leading, numbers, std::clamp(cols - j, 0, kLanes), dst + j, width);
  }
}

template <class T>
StepRows<StepOf<T>> rows_in_bands(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room) {
  const std::int64_t steps = steps_of<StepOf<T>>(numbers);
  StepOf<T>* band = room;
  for (int r = 0; r < count; r += kBlockRows, band += band_words(steps)) {
    pack_few_columns<kBlockRows>(src + r * leading, leading, numbers, std::min(kBlockRows, count - r), band,
                                 kBlockRows);
  }
  return in_bands(room, steps);
}

// Step by step: the steps of a band may be so far apart that they displace each other in a cache.
template <class T>
StepRows<StepOf<T>> columns_in_bands(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room) {
  using Step = StepOf<T>;
  constexpr int kNumbers = kNumbersOfStep<Step>, kWords = std::bit_ceil(static_cast<unsigned>(kBlockRows));
  const std::int64_t steps = steps_of<Step>(numbers);
  for (std::int64_t s = 0; s < steps; ++s, src += kNumbers * leading) {
    const T* const odd = s * kNumbers + 1 < numbers ? src + leading : nullptr;
    for (int r = 0; r < count; r += static_cast<int>(64 / sizeof(T))) __builtin_prefetch(src + kAhead * leading + r);
    Step* to = room + s * kBlockRows;
    for (int r = 0; r < count; r += kBlockRows, to += band_words(steps)) {
      const T *const even_at = src + r, *const odd_at = odd == nullptr ? odd : odd + r;
      if (count - r >= kWords) {
        const Words<kWords> words = steps_across<kWords>(even_at, odd_at);
        std::memcpy(to, &words, sizeof words);
        continue;
      }
      for (int i = 0; i < kBlockRows; ++i) {
        to[i] = r + i < count ? step_across(even_at + i, odd_at == nullptr ? odd_at : odd_at + i) : Step(0);
      }
    }
  }
  return in_bands(room, steps);
}

template <class T>
StepRows<StepOf<T>> as_steps(const T* src, std::ptrdiff_t leading, int numbers, int count, StepOf<T>* room) {
  using Step = StepOf<T>;
  constexpr int kNumbers = kNumbersOfStep<Step>;
  const bool whole = sizeof(Step) == kNumbers * sizeof(T) && leading % kNumbers == 0 && numbers % kNumbers == 0 &&
                     reinterpret_cast<std::uintptr_t>(src) % alignof(Step) == 0;
  if (whole) return {reinterpret_cast<const Step*>(src), leading / kNumbers, 1};
  return rows_in_bands(src, leading, numbers, count, room);
}

#ifdef __AVX512BF16__
namespace {
__m256i narrowed(const float* from) { return std::bit_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from))); }
}  // namespace

void narrow_pairs(const float* even, const float* odd, int n, Pair* to) {
  for (int j = 0; j < n; j += kLanes) {
    const __m512i low = _mm512_cvtepu16_epi32(narrowed(even + j)), high = _mm512_cvtepu16_epi32(narrowed(odd + j));
    _mm512_storeu_si512(to + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}
#endif

template void multiply_panel(const StepRows<float>&, int, const float*, std::ptrdiff_t, int, float*, std::ptrdiff_t,
                             int, bool);
#ifdef __AVX512BF16__
template void multiply_panel(const StepRows<Pair>&, int, const Pair*, std::ptrdiff_t, int, float*, std::ptrdiff_t, int,
                             bool);
#endif
template void pack_rows(const float*, std::ptrdiff_t, int, int, float*, int);
template void pack_columns(const float*, std::ptrdiff_t, int, int, float*, int);
template StepRows<float> rows_in_bands(const float*, std::ptrdiff_t, int, int, float*);
template StepRows<float> columns_in_bands(const float*, std::ptrdiff_t, int, int, float*);
template StepRows<float> as_steps(const float*, std::ptrdiff_t, int, int, float*);
template void pack_rows(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*, int);
template void pack_columns(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*, int);
template StepRows<StepOf<bfloat16>> rows_in_bands(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*);
template StepRows<StepOf<bfloat16>> columns_in_bands(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*);
template StepRows<StepOf<bfloat16>> as_steps(const bfloat16*, std::ptrdiff_t, int, int, StepOf<bfloat16>*);

}  // namespace longspan::ops::detail
