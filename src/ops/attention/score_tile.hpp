// A tile of scores as kernels see it: which keys a query row sees, its bias and its dropout. In a tile both queries and
// keys are evenly spaced, so the keys that a row sees are columns [lo, hi): loops over them need no condition inside.
#pragma once

#include <bit>
#include <type_traits>

#include "ops/attention/tiles.hpp"
#include "ops/math.hpp"
#include "tensor/dispatch.hpp"
#include "tensor/random.hpp"
#include "tensor/view.hpp"

namespace longspan::ops::detail {

// One query row of a tile. A is the accumulation type.
template <class A>
struct ScoreRow {
  std::int64_t state;   // its row in [B, H, Tq]
  std::int64_t offset;  // of its first score in the tile
  std::int32_t lo, hi;  // columns of the keys that it sees
  std::int32_t position, key_first, key_stride;
  A scale, slope;
  float dropout;
  A keep_scale;                    // 1 / (1 - dropout)
  std::uint64_t dropout_key, who;  // who: global sequence and head

  // The score of column j from the product q . k.
  template <bool kBias>
  KOKKOS_INLINE_FUNCTION A score(A product, std::int32_t j) const {
    if constexpr (!kBias) return scale * product;
    const std::int32_t d = position - (key_first + j * key_stride);
    return scale * product - slope * static_cast<A>(d < 0 ? -d : d);
  }
  // What dropout multiplies p of column j by.
  template <bool kDropout>
  KOKKOS_INLINE_FUNCTION A kept(std::int32_t j) const {
    if constexpr (!kDropout) return A(1);
    const auto where =
        static_cast<std::uint64_t>(position) << 32 | static_cast<std::uint32_t>(key_first + j * key_stride);
    return uniform_float(dropout_key, where, who) >= dropout ? keep_scale : A(0);
  }
};

// A tile of `matrices` matrices of scores [rows, cols]; passed by value into kernels.
template <class A>
struct ScoreTile {
  std::int64_t matrices, first_pair, member, group, key_heads, length;
  std::int64_t first_row;
  std::int32_t rows, cols;
  std::int32_t query_first, query_stride, key_first, key_stride;
  const std::int32_t *begin, *end;
  const A* slopes;  // null: no bias
  A scale, keep_scale;
  float dropout;
  std::uint64_t dropout_key, first_head, first_sequence;

  ScoreTile(const AttentionRules& rules, const AttentionShape& shape, const AttentionTile& tile)
      : matrices(tile.pairs),
        first_pair(tile.first_pair),
        member(tile.member),
        group(tile.group),
        key_heads(shape.key_heads),
        length(shape.queries),
        first_row(tile.queries.row),
        rows(static_cast<std::int32_t>(tile.queries.count)),
        cols(static_cast<std::int32_t>(tile.keys.count)),
        query_first(static_cast<std::int32_t>(tile.queries.first)),
        query_stride(static_cast<std::int32_t>(tile.queries.stride)),
        key_first(static_cast<std::int32_t>(tile.keys.first)),
        key_stride(static_cast<std::int32_t>(tile.keys.stride)),
        begin(rules.visible_begin.data<std::int32_t>()),
        end(rules.visible_end.data<std::int32_t>()),
        slopes(rules.alibi_slopes.defined() ? rules.alibi_slopes.data<A>() : nullptr),
        scale(static_cast<A>(rules.scale)),
        keep_scale(static_cast<A>(1 / (1 - rules.dropout))),
        dropout(static_cast<float>(rules.dropout)),
        dropout_key(rules.dropout_key),
        first_head(static_cast<std::uint64_t>(rules.first_head)),
        first_sequence(static_cast<std::uint64_t>(rules.first_sequence)) {}

  // Number of columns at positions before p.
  KOKKOS_INLINE_FUNCTION std::int32_t columns_before(std::int32_t p) const {
    if (p <= key_first) return 0;
    const std::int32_t n = (p - key_first - 1) / key_stride + 1;
    return n < cols ? n : cols;
  }
  KOKKOS_INLINE_FUNCTION ScoreRow<A> row(std::int64_t matrix, std::int32_t i) const {
    const std::int64_t pair = first_pair + matrix, sequence = pair / key_heads;
    const std::int64_t head = pair % key_heads * group + member;
    const std::int64_t visible = sequence * length + first_row + i;
    ScoreRow<A> r;
    r.state = (pair * group + member) * length + first_row + i;
    r.offset = (matrix * rows + i) * cols;
    r.lo = columns_before(begin[visible]);
    r.hi = columns_before(end[visible]);
    if (r.hi < r.lo) r.hi = r.lo;
    r.position = query_first + i * query_stride;
    r.key_first = key_first;
    r.key_stride = key_stride;
    r.scale = scale;
    r.slope = slopes ? slopes[head] : A(0);
    r.dropout = dropout;
    r.keep_scale = keep_scale;
    r.dropout_key = dropout_key;
    r.who =
        (first_sequence + static_cast<std::uint64_t>(sequence)) << 32 | (first_head + static_cast<std::uint64_t>(head));
    return r;
  }
};

// Floats in the order of integers: a maximum of integers may be vectorised, one of floats may not (for NaN's sake). NaN
// comes out as the largest.
template <class A>
using OrderedBits = std::conditional_t<sizeof(A) == 4, std::int32_t, std::int64_t>;
template <class A>
KOKKOS_INLINE_FUNCTION OrderedBits<A> to_ordered(A x) {
  const auto bits = std::bit_cast<OrderedBits<A>>(x);
  constexpr OrderedBits<A> kMagnitude =
      static_cast<OrderedBits<A>>(~OrderedBits<A>(0) ^ (OrderedBits<A>(1) << (8 * sizeof(A) - 1)));
  return bits ^ ((bits >> (8 * sizeof(A) - 1)) & kMagnitude);
}
template <class A>
KOKKOS_INLINE_FUNCTION A from_ordered(OrderedBits<A> order) {
  constexpr OrderedBits<A> kMagnitude =
      static_cast<OrderedBits<A>>(~OrderedBits<A>(0) ^ (OrderedBits<A>(1) << (8 * sizeof(A) - 1)));
  return std::bit_cast<A>(order ^ ((order >> (8 * sizeof(A) - 1)) & kMagnitude));
}

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

// Columns outside [lo, hi) take no part in the products that follow.
template <class T>
KOKKOS_INLINE_FUNCTION void clear_hidden(const TeamMember& team, T* row, std::int32_t lo, std::int32_t hi,
                                         std::int32_t cols) {
  Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, 0, lo), [&](std::int32_t j) { row[j] = T(0.0f); });
  Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, hi, cols), [&](std::int32_t j) { row[j] = T(0.0f); });
}

// A team works on some rows of one matrix, a vector on one row.
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
