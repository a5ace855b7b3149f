// A tile of scores as kernels see it: which keys a query row sees, its bias and its dropout. In a tile both queries and
// keys are evenly spaced, so the keys that a row sees are columns [lo, hi).
#pragma once

#include "ops/attention/softmax_math.hpp"
#include "ops/attention/tiles.hpp"
#include "tensor/random.hpp"
#include "tensor/view.hpp"

namespace longspan::ops::detail {

inline constexpr std::int32_t kVector = 16;  // columns; floats of a 512-bit register

// One query row of a tile. A is the accumulation type.
template <class A>
struct ScoreRow {
  std::int64_t state;     // its row in [B, H, Tq]
  std::int64_t offset;    // of its first score in the tile
  std::int32_t lo, hi;    // columns of the keys that it sees
  std::int32_t from, to;  // the same in whole vectors: loops over these ask sees(j) and have no remainder
  std::int32_t position, key_first, key_stride;
  A scale, slope;
  A scale2, slope2;  // of scores by powers of 2 instead of e
  float dropout;
  A keep_scale;                    // 1 / (1 - dropout)
  std::uint64_t dropout_key, who;  // who: global sequence and head

  // kAll: what is known of a row with sees_all().
  template <bool kAll>
  KOKKOS_INLINE_FUNCTION bool sees(std::int32_t j) const {
    if constexpr (kAll) return true;
    return static_cast<std::uint32_t>(j - lo) < static_cast<std::uint32_t>(hi - lo);
  }
  KOKKOS_INLINE_FUNCTION bool sees_all() const { return lo == from && hi == to; }
  // The score of column j from the product q . k.
  template <bool kBias>
  KOKKOS_INLINE_FUNCTION A score(A product, std::int32_t j) const {
    if constexpr (!kBias) return scale * product;
    const std::int32_t d = position - (key_first + j * key_stride);
    return scale * product - slope * static_cast<A>(d < 0 ? -d : d);
  }
  // The power of 2 that is e^(score - shift), with shift2 = shift log2(e): one operation without a bias.
  template <bool kBias>
  KOKKOS_INLINE_FUNCTION A power(A product, std::int32_t j, A shift2) const {
    const A x = Kokkos::fma(product, scale2, -shift2);
    if constexpr (!kBias) return x;
    const std::int32_t d = position - (key_first + j * key_stride);
    return x - slope2 * static_cast<A>(d < 0 ? -d : d);
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
        begin(rules.visible_begin.device().data<std::int32_t>()),
        end(rules.visible_end.device().data<std::int32_t>()),
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
    if (r.hi <= r.lo) r.lo = r.hi = 0;
    r.from = r.lo / kVector * kVector;
    r.to = (r.hi + kVector - 1) / kVector * kVector;
    if (r.to > cols) r.to = cols;
    r.position = query_first + i * query_stride;
    r.key_first = key_first;
    r.key_stride = key_stride;
    r.scale = scale;
    r.slope = slopes ? slopes[head] : A(0);
    r.scale2 = r.scale * math::kLog2E<A>;
    r.slope2 = r.slope * math::kLog2E<A>;
    r.dropout = dropout;
    r.keep_scale = keep_scale;
    r.dropout_key = dropout_key;
    r.who =
        (first_sequence + static_cast<std::uint64_t>(sequence)) << 32 | (first_head + static_cast<std::uint64_t>(head));
    return r;
  }
};

}  // namespace longspan::ops::detail
