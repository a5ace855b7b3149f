// Running products and sums over the rows of a chunk, for blocks of columns that stay in registers or a thread's own
// memory: in every loop over columns the same thread has the same one.
#pragma once

#include "ops/rows.hpp"

namespace longspan::ops {

inline constexpr int kDecayColumns = 64;

// e[c] for the columns of a block; each thread of a team uses its own.
template <class A>
struct RunningColumns {
  A e[kDecayColumns];
};

// f(first column, number of columns) for the blocks of [0, n).
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_column_blocks(std::int64_t n, const F& f) {
  for (std::int64_t first = 0; first < n; first += kDecayColumns) {
    f(first, static_cast<int>(n - first < kDecayColumns ? n - first : kDecayColumns));
  }
}

}  // namespace longspan::ops
