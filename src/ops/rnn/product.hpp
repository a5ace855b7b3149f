// The product of a step: a few rows of states with a head's matrix, whose columns pass through registers in strips. On
// a CPU a strip is some vectors wide; on a GPU every thread has a column of its own. Each sum is made in the order of
// the states whatever the tile, so that no result depends on it.
#pragma once

#include "layout/rnn_tiles.hpp"
#include "ops/rows.hpp"
#include "tensor/device.hpp"

namespace longspan::ops::rnn {

// What a thread of the team has written before, all of them see after.
KOKKOS_FORCEINLINE_FUNCTION void team_barrier(Alone) {}
KOKKOS_FORCEINLINE_FUNCTION void team_barrier(const TeamMember& team) { team.team_barrier(); }

template <class A>
inline constexpr int kLanes = kOnHost ? static_cast<int>(64 / sizeof(A)) : 1;
#if defined(__AVX512F__)
inline constexpr std::int64_t kRegisters = 32;
#else
inline constexpr std::int64_t kRegisters = 8;  // 16 of half the width
#endif

template <class A>
RnnTiles tiles_for(std::int64_t batch, std::int64_t heads, std::int64_t columns) {
  if (!kOnHost) return {};
  return choose_rnn_tiles({.batch = batch, .heads = heads, .columns = columns},
                          {.threads = device::concurrency(), .lanes = kLanes<A>, .registers = kRegisters});
}

inline std::int64_t padded(std::int64_t columns, std::int64_t strip) { return count_blocks(columns, strip) * strip; }

// Matrices of heads [n, padded columns] in the accumulation dtype: of w [H m, K], for each head either w as it is
// (n = m, columns = K) or its transpose (n = K, columns = m).
template <class T>
void pack(const Tensor& w, std::int64_t heads, bool transposed, const Tensor& packed) {
  using A = accumulation_t<T>;
  const T* const from = w.data<T>();
  A* const to = packed.data<A>();
  const std::int64_t K = w.dim(1), m = w.dim(0) / heads, rows = packed.dim(1), width = packed.dim(2);
  const std::int64_t columns = transposed ? m : K;
  for_rows(
      "longspan::ops::rnn_pack", heads * rows, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t h = row / rows, i = row % rows;
        for_columns(team, static_cast<int>(width), [&](int c) {
          const std::int64_t at = transposed ? c * K + i : i * K + c;
          to[row * width + c] = c < columns ? A(from[h * m * K + at]) : A(0);
        });
      });
}

// A batch's rows for one head and step: `stride` elements from row to row.
template <class A>
struct Rows {
  A* data;
  std::int64_t stride;
};

// out[r, c] += sum over j < n of in[r, j] w[j, c] for C columns of w, of which `columns` are written.
template <int R, int C, class A>
KOKKOS_INLINE_FUNCTION void add_tile(const A* w, std::int64_t width, int n, const Rows<const A>& in, const Rows<A>& out,
                                     int columns) {
  A sum[R][C] = {};
  for (int j = 0; j < n; ++j) {
    for (int r = 0; r < R; ++r) {
      const A x = in.data[r * in.stride + j];
      if constexpr (C > kLanes<A>) {
#pragma GCC ivdep
        for (int c = 0; c < C; ++c) sum[r][c] += w[j * width + c] * x;
      } else {  // g++ would unroll one vector before it sees it as such, and keep the sums in memory
#pragma GCC ivdep
#pragma GCC unroll 1
        for (int c = 0; c < C; ++c) sum[r][c] += w[j * width + c] * x;
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < columns; ++c) out.data[r * out.stride + c] += sum[r][c];
  }
}

template <int C, class A>
KOKKOS_INLINE_FUNCTION void add_strip(const A* w, std::int64_t width, int n, Rows<const A> in, Rows<A> out, int rows,
                                      int columns) {
  for (; rows > 0;) {
    const int step = rows >= 8 ? 8 : rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
    if (step == 8) {
      add_tile<8, C>(w, width, n, in, out, columns);
    } else if (step == 4) {
      add_tile<4, C>(w, width, n, in, out, columns);
    } else if (step == 2) {
      add_tile<2, C>(w, width, n, in, out, columns);
    } else {
      add_tile<1, C>(w, width, n, in, out, columns);
    }
    in.data += step * in.stride;
    out.data += step * out.stride;
    rows -= step;
  }
}

// out += in w: in [rows, n], w [n, width] padded, out [rows, columns]. To be called by the whole team.
template <class A>
KOKKOS_INLINE_FUNCTION void add_product(const Team& team, const A* w, std::int64_t width, int n,
                                        const Rows<const A>& in, const Rows<A>& out, int rows, int columns, int lanes) {
  const int strip = lanes * kLanes<A>;
  for_columns(team, static_cast<int>(width) / strip, [&](int s) {
    const int first = s * strip, left = columns - first, count = left < strip ? left : strip;
    const Rows<A> part{out.data + first, out.stride};
    if (lanes == 4) {
      add_strip<4 * kLanes<A>>(w + first, width, n, in, part, rows, count);
    } else if (lanes == 2) {
      add_strip<2 * kLanes<A>>(w + first, width, n, in, part, rows, count);
    } else {
      add_strip<kLanes<A>>(w + first, width, n, in, part, rows, count);
    }
  });
}

}  // namespace longspan::ops::rnn
