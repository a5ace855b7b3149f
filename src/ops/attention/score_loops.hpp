// How kernels go over a tile of scores. On a GPU a team works on some rows of one matrix and the lanes of a vector on
// one row; a thread of a CPU that has a tile for itself is Alone (ops/rows.hpp).
#pragma once

#include <type_traits>

#include "ops/attention/score_tile.hpp"
#include "ops/attention/softmax_math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops::detail {

// Where a kernel writes a row of T that it makes from a row of A: in place where the types agree, so that the compiler
// sees one pointer, else at the same offset of `output`.
template <class T, class A>
KOKKOS_INLINE_FUNCTION T* output_row(A* input, T* output, std::int64_t offset) {
  if constexpr (std::is_same_v<T, A>) {
    return input;
  } else {
    return output + offset;
  }
}

// *p = value. A bfloat16 goes by its bits: copies of a struct do not always vectorise.
template <class A>
KOKKOS_INLINE_FUNCTION void store(A* p, A value) {
  *p = value;
}
KOKKOS_INLINE_FUNCTION void store(bfloat16* p, float value) { p->bits = bfloat16(value).bits; }

// f(j) for the columns [from, to) of a row.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_row(Alone, std::int32_t from, std::int32_t to, const F& f) {
#pragma GCC ivdep
  for (std::int32_t j = from; j < to; ++j) f(j);
}
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_row(const TeamMember& team, std::int32_t from, std::int32_t to, const F& f) {
  Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, from, to), f);
}

// The sum of f(j), known to all lanes.
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A sum_row(Alone, std::int32_t from, std::int32_t to, const F& f) {
  A sum = 0;
  for (std::int32_t j = from; j < to; ++j) sum += f(j);
  return sum;
}
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A sum_row(const TeamMember& team, std::int32_t from, std::int32_t to, const F& f) {
  A sum = 0;
  Kokkos::parallel_reduce(
      Kokkos::ThreadVectorRange(team, from, to), [&](std::int32_t j, A& part) { part += f(j); }, sum);
  return sum;
}

// The largest f(j), known to all lanes.
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A max_row(Alone, std::int32_t from, std::int32_t to, const F& f) {
  return max_columns<A>(Alone(), to - from, [&](int j) { return f(from + j); });
}
template <class A, class F>
KOKKOS_FORCEINLINE_FUNCTION A max_row(const TeamMember& team, std::int32_t from, std::int32_t to, const F& f) {
  OrderedBits<A> highest;
  Kokkos::parallel_reduce(
      Kokkos::ThreadVectorRange(team, from, to),
      [&](std::int32_t j, OrderedBits<A>& part) {
        const OrderedBits<A> order = to_ordered(f(j));
        part = order > part ? order : part;
      },
      Kokkos::Max<OrderedBits<A>>(highest));
  return from_ordered<A>(highest);
}

template <class F>
KOKKOS_FORCEINLINE_FUNCTION void once_a_row(Alone, const F& f) {
  f();
}
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void once_a_row(const TeamMember& team, const F& f) {
  Kokkos::single(Kokkos::PerThread(team), f);
}

// Columns outside [from, to) take no part in the products that follow.
template <class Lanes, class T, class A>
KOKKOS_INLINE_FUNCTION void clear_hidden(const Lanes& lanes, T* p, const ScoreRow<A>& row, std::int32_t cols) {
  for_row(lanes, 0, row.from, [&](std::int32_t j) { p[j] = T(0.0f); });
  for_row(lanes, row.to, cols, [&](std::int32_t j) { p[j] = T(0.0f); });
}

inline constexpr std::int32_t kRowsOfTeam = 16;
template <class A>
TeamPolicy tile_policy(const ScoreTile<A>& tile) {
  return TeamPolicy(static_cast<int>(tile.matrices * ((tile.rows + kRowsOfTeam - 1) / kRowsOfTeam)), Kokkos::AUTO, 32);
}

// Calls body for each row of this team.
template <class A, class Body>
KOKKOS_INLINE_FUNCTION void for_rows_of_team(const TeamMember& team, const ScoreTile<A>& tile, const Body& body) {
  const std::int32_t blocks = (tile.rows + kRowsOfTeam - 1) / kRowsOfTeam;
  const std::int64_t matrix = team.league_rank() / blocks;
  const std::int32_t first = team.league_rank() % blocks * kRowsOfTeam;
  const std::int32_t last = first + kRowsOfTeam < tile.rows ? first + kRowsOfTeam : tile.rows;
  Kokkos::parallel_for(Kokkos::TeamThreadRange(team, first, last), [&](std::int32_t i) { body(tile.row(matrix, i)); });
}

// Joins the run-time rules to the kernel template <T, bias, dropout>.
template <class Body>
void dispatch_rules(const AttentionRules& rules, Dtype dtype, const Body& body) {
  dispatch_float("attention", dtype, [&]<class T>() {
    const bool bias = rules.alibi_slopes.defined(), dropout = rules.dropout > 0;
    if (bias && dropout) return body.template operator()<T, true, true>();
    if (bias) return body.template operator()<T, true, false>();
    if (dropout) return body.template operator()<T, false, true>();
    return body.template operator()<T, false, false>();
  });
}

}  // namespace longspan::ops::detail
