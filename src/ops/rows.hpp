// How kernels run over rows and columns. On a GPU a team of threads works on a row; on a CPU one thread does, in plain
// loops that vectorise. Sums over many rows are made per fixed block and combined in order, so that no result depends
// on the number of threads.
#pragma once

#include <type_traits>

#include "ops/cpu/narrow.hpp"
#include "tensor/dtype.hpp"
#include "tensor/view.hpp"

namespace longspan::ops {

inline constexpr bool kOnHost = std::is_same_v<ExecutionSpace, Kokkos::DefaultHostExecutionSpace>;
inline constexpr int kTeamSize = 128;          // threads of a team on a GPU
inline constexpr std::int64_t kRowBlock = 32;  // rows that share one partial sum
inline constexpr std::int64_t kElementBlock = 4096;

struct Alone {};
using Team = std::conditional_t<kOnHost, Alone, TeamMember>;

inline std::int64_t count_blocks(std::int64_t n, std::int64_t block) { return (n + block - 1) / block; }

namespace detail {

template <class F>
struct HostRow {
  F f;
  KOKKOS_FORCEINLINE_FUNCTION void operator()(std::int64_t row) const { f(Alone(), row); }
};
template <class F>
struct TeamRow {
  F f;
  KOKKOS_FORCEINLINE_FUNCTION void operator()(const TeamMember& team) const { f(team, team.league_rank()); }
};

}  // namespace detail

// f(team, row) for every row in [0, n).
template <class F>
void for_rows(const char* label, std::int64_t n, const F& f) {
  if (n == 0) return;
  if constexpr (kOnHost) {
    launch(label, RangePolicy(0, n), detail::HostRow<F>{f});
  } else {
    launch(label, TeamPolicy(static_cast<int>(n), kTeamSize), detail::TeamRow<F>{f});
  }
}

// f(i) for i in [0, n), shared among the team; the same thread gets the same i in every loop. Different i must not
// touch the same element.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_columns(Alone, int n, const F& f) {
#pragma GCC ivdep
  for (int i = 0; i < n; ++i) f(i);
}
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_columns(const TeamMember& team, int n, const F& f) {
  Kokkos::parallel_for(Kokkos::TeamThreadRange(team, n), f);
}

// to[i] = f(i) for i in [0, n), shared among the team. On a CPU bfloat16 are rounded some at a time, as loops do that
// vector by vector.
template <class T, class F>
KOKKOS_FORCEINLINE_FUNCTION void write_columns(Alone, int n, T* to, const F& f) {
  int first = 0;
  if constexpr (std::is_same_v<T, bfloat16>) {
    constexpr int kSome = 64;
    for (; first + kSome <= n; first += kSome) {
      float values[kSome];
      for_columns(Alone(), kSome, [&](int i) { values[i] = f(first + i); });
      detail::narrow(values, kSome, to + first);
    }
  }
  for_columns(Alone(), n - first, [&](int i) { to[first + i] = T(f(first + i)); });
}
template <class T, class F>
KOKKOS_FORCEINLINE_FUNCTION void write_columns(const TeamMember& team, int n, T* to, const F& f) {
  for_columns(team, n, [&](int i) { to[i] = T(f(i)); });
}

// No thread of the team goes on before all are here.
KOKKOS_FORCEINLINE_FUNCTION void wait_for_team(Alone) {}
KOKKOS_FORCEINLINE_FUNCTION void wait_for_team(const TeamMember& team) { team.team_barrier(); }

// True of one thread of the team.
KOKKOS_FORCEINLINE_FUNCTION bool is_first(Alone) { return true; }
KOKKOS_FORCEINLINE_FUNCTION bool is_first(const TeamMember& team) { return team.team_rank() == 0; }

// f(i, j) for i in [0, n), j in [0, m).
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_grid(Alone, int n, int m, const F& f) {
  for (int i = 0; i < n; ++i) {
#pragma GCC ivdep
    for (int j = 0; j < m; ++j) f(i, j);
  }
}
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_grid(const TeamMember& team, int n, int m, const F& f) {
  Kokkos::parallel_for(Kokkos::TeamThreadRange(team, n * m), [&](int k) { f(k / m, k % m); });
}

// Sum of f(i), known to the whole team.
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A sum_columns(Alone, int n, const F& f) {
  A sum = 0;
  for (int i = 0; i < n; ++i) sum += f(i);
  return sum;
}
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A sum_columns(const TeamMember& team, int n, const F& f) {
  A sum = 0;
  Kokkos::parallel_reduce(Kokkos::TeamThreadRange(team, n), [&](int i, A& part) { part += f(i); }, sum);
  return sum;
}

// Two sums at once: f(i) gives what i adds to either.
template <class A>
struct Two {
  A first, second;
};
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION Two<A> sum_two(Alone, int n, const F& f) {
  A first = 0, second = 0;
  for (int i = 0; i < n; ++i) {
    const Two<A> more = f(i);
    first += more.first;
    second += more.second;
  }
  return {first, second};
}
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION Two<A> sum_two(const TeamMember& team, int n, const F& f) {
  return {sum_columns<A>(team, n, [&](int i) { return f(i).first; }),
          sum_columns<A>(team, n, [&](int i) { return f(i).second; })};
}

// Largest f(i), known to the whole team; -infinity where n = 0.
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A max_columns(Alone, int n, const F& f) {
  A largest = -Kokkos::Experimental::infinity_v<A>;
#pragma omp simd reduction(max : largest)
  for (int i = 0; i < n; ++i) {
    const A x = f(i);
    largest = x > largest ? x : largest;
  }
  return largest;
}
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A max_columns(const TeamMember& team, int n, const F& f) {
  A largest = 0;
  Kokkos::parallel_reduce(
      Kokkos::TeamThreadRange(team, n),
      [&](int i, A& part) {
        const A x = f(i);
        part = x > part ? x : part;
      },
      Kokkos::Max<A>(largest));
  // Kokkos starts from the lowest finite value.
  return largest > Kokkos::Experimental::finite_min_v<A> ? largest : -Kokkos::Experimental::infinity_v<A>;
}

namespace detail {

template <class F>
struct ElementBlock {
  F f;
  std::int64_t n;
  KOKKOS_FORCEINLINE_FUNCTION void operator()(const Team& team, std::int64_t block) const {
    const std::int64_t first = block * kElementBlock, left = n - first;
    const int count = static_cast<int>(left < kElementBlock ? left : kElementBlock);
    for_columns(team, count, [&](int i) { f(first + i); });
  }
};

}  // namespace detail

// f(i) for every element in [0, n).
template <class F>
void for_elements(const char* label, std::int64_t n, const F& f) {
  for_rows(label, count_blocks(n, kElementBlock), detail::ElementBlock<F>{f, n});
}

namespace detail {

template <class T, class F>
struct WrittenBlock {
  F f;
  std::int64_t n;
  T* to;
  KOKKOS_FORCEINLINE_FUNCTION void operator()(const Team& team, std::int64_t block) const {
    const std::int64_t first = block * kElementBlock, left = n - first;
    const int count = static_cast<int>(left < kElementBlock ? left : kElementBlock);
    write_columns(team, count, to + first, [&](int i) { return f(first + i); });
  }
};

}  // namespace detail

// to[i] = f(i) for every element in [0, n).
template <class T, class F>
void write_elements(const char* label, std::int64_t n, T* to, const F& f) {
  for_rows(label, count_blocks(n, kElementBlock), detail::WrittenBlock<T, F>{f, n, to});
}

// Rows first, first + 1, ... of a row block.
KOKKOS_INLINE_FUNCTION std::int64_t end_of_block(std::int64_t first, std::int64_t rows) {
  return first + kRowBlock < rows ? first + kRowBlock : rows;
}

namespace detail {

// A functor of a name: nvcc makes another kernel of a lambda in a template of a header for every file that includes it,
// and the host function that the linker keeps starts one of them that may not be there.
template <class A>
struct AddPartials {
  static constexpr std::int64_t kWidth = 256;  // columns of a strip
  const A* partials;
  std::int64_t blocks, cols;
  A* out;

  KOKKOS_FORCEINLINE_FUNCTION void operator()(const Team& team, std::int64_t strip) const {
    const std::int64_t first = strip * kWidth, left = cols - first;
    const int width = static_cast<int>(left < kWidth ? left : kWidth);
    for (std::int64_t b = 0; b < blocks; ++b) {
      for_columns(team, width, [&](int c) { out[first + c] += partials[b * cols + first + c]; });
    }
  }
};

}  // namespace detail

// out[c] += sum of partials[b, c] over b in order; partials [blocks, cols].
template <class A>
void add_partials(const A* partials, std::int64_t blocks, std::int64_t cols, A* out) {
  using Strips = detail::AddPartials<A>;
  for_rows("longspan::ops::add_partials", count_blocks(cols, Strips::kWidth), Strips{partials, blocks, cols, out});
}

}  // namespace longspan::ops
