#include "ops/score_rows.hpp"

#include "ops/attention/score_loops.hpp"
#include "ops/attention/softmax_math.hpp"
#include "ops/rows.hpp"

namespace longspan::ops {
namespace {

using detail::AttentionShape;
using detail::AttentionTile;

// The tile's part of score rows.
MatrixRef part_of_rows(const AttentionTile& tile, const Tensor& rows, std::int64_t first) {
  MatrixRef m = tile.query_rows(rows);
  m.data = static_cast<char*>(m.data) + static_cast<std::size_t>(first + tile.keys.row) * size_of(rows.dtype());
  m.cols = tile.keys.count;
  return m;
}

AttentionShape checked_shape(const Tensor& rows, const Tensor& queries, const Tensor& keys, const KeyColumns& columns) {
  const AttentionShape shape(queries, keys, keys);
  LONGSPAN_CHECK(rows.rows() == queries.rows() && columns.first >= 0 && columns.first + shape.keys <= rows.dim(3),
                 "[score_rows] score rows {} for queries {} and keys {} from column {}", rows.shape().str(),
                 queries.shape().str(), keys.shape().str(), columns.first);
  return shape;
}

// How kernels see the rows: which keys each one sees, its bias and its dropout.
template <class A>
struct RowRules {
  std::int64_t heads, queries, keys;
  const std::int32_t *begin, *end, *query_position, *key_position;
  const A* slopes;  // null: no bias
  A scale, keep_scale;
  float dropout;
  std::uint64_t dropout_key, first_head, first_sequence;

  struct Row {
    std::int32_t begin, end, position;
    const std::int32_t* key_position;
    A scale, slope, keep_scale;
    float dropout;
    std::uint64_t dropout_key, who;  // who: global sequence and head

    KOKKOS_INLINE_FUNCTION bool sees(int j) const { return begin <= key_position[j] && key_position[j] < end; }
    template <bool kBias>
    KOKKOS_INLINE_FUNCTION A score(A product, int j) const {
      if constexpr (!kBias) return scale * product;
      const std::int32_t d = position - key_position[j];
      return scale * product - slope * static_cast<A>(d < 0 ? -d : d);
    }
    template <bool kDropout>
    KOKKOS_INLINE_FUNCTION A kept(int j) const {
      if constexpr (!kDropout) return A(1);
      const auto where = static_cast<std::uint64_t>(position) << 32 | static_cast<std::uint32_t>(key_position[j]);
      return uniform_float(dropout_key, where, who) >= dropout ? keep_scale : A(0);
    }
  };

  RowRules(const AttentionRules& rules, const Tensor& rows, const Tensor& queries_at, const Tensor& keys_at)
      : heads(rows.dim(1)),
        queries(rows.dim(2)),
        keys(rows.dim(3)),
        begin(rules.visible_begin.device().data<std::int32_t>()),
        end(rules.visible_end.device().data<std::int32_t>()),
        query_position(queries_at.data<std::int32_t>()),
        key_position(keys_at.data<std::int32_t>()),
        slopes(rules.alibi_slopes.defined() ? rules.alibi_slopes.data<A>() : nullptr),
        scale(static_cast<A>(rules.scale)),
        keep_scale(static_cast<A>(1 / (1 - rules.dropout))),
        dropout(static_cast<float>(rules.dropout)),
        dropout_key(rules.dropout_key),
        first_head(static_cast<std::uint64_t>(rules.first_head)),
        first_sequence(static_cast<std::uint64_t>(rules.first_sequence)) {}

  // Row r of [B H n, T].
  KOKKOS_INLINE_FUNCTION Row row(std::int64_t r) const {
    const std::int64_t i = r % queries, head = r / queries % heads, sequence = r / queries / heads;
    const std::int64_t visible = sequence * queries + i;
    return {begin[visible],
            end[visible],
            query_position[i],
            key_position,
            scale,
            slopes ? slopes[head] : A(0),
            keep_scale,
            dropout,
            dropout_key,
            (first_sequence + static_cast<std::uint64_t>(sequence)) << 32 |
                (first_head + static_cast<std::uint64_t>(head))};
  }
};

Tensor query_positions(const AttentionRules& rules, std::int64_t queries) {
  std::vector<std::int32_t> at(static_cast<std::size_t>(queries));
  for (const PositionRun& run : rules.query_runs) {
    for (std::int64_t i = 0; i < run.count; ++i) at[run.row + i] = static_cast<std::int32_t>(run.position(i));
  }
  return Tensor::from_host(at, {queries}, Memory::workspace, "query positions");
}

template <class T, bool kBias>
void softmax_kernel(const RowRules<accumulation_t<T>>& rules, std::int64_t count, accumulation_t<T>* s_data,
                    T* p_data) {
  using A = accumulation_t<T>;
  for_rows(
      "longspan::ops::softmax_rows", count, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        constexpr A lowest = -Kokkos::Experimental::infinity_v<A>;
        const auto row = rules.row(r);
        const int keys = static_cast<int>(rules.keys);
        A* const s = s_data + r * rules.keys;
        T* const p = p_data + r * rules.keys;
        const auto score = [&](int j) { return row.sees(j) ? row.template score<kBias>(s[j], j) : lowest; };
        const A highest = max_columns<A>(team, keys, score);
        const A shift = highest == lowest ? A(0) : highest;
        for_columns(team, keys, [&](int j) { s[j] = math::exp2_to_one((score(j) - shift) * math::kLog2E<A>); });
        const A sum = sum_columns<A>(team, keys, [&](int j) { return s[j]; });
        const A factor = sum > A(0) ? A(1) / sum : A(0);
        for_columns(team, keys, [&](int j) { p[j] = T(s[j] * factor); });
      });
}

template <class T, bool kDropout>
void softmax_backward_kernel(const RowRules<accumulation_t<T>>& rules, std::int64_t count, const T* p_data,
                             const accumulation_t<T>* dp_data, T* ds_data) {
  using A = accumulation_t<T>;
  for_rows(
      "longspan::ops::softmax_rows_backward", count, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const auto row = rules.row(r);
        const int keys = static_cast<int>(rules.keys);
        const T* const p = p_data + r * rules.keys;
        const A* const dp = dp_data + r * rules.keys;
        T* const ds = ds_data + r * rules.keys;
        const auto gradient = [&](int j) { return row.sees(j) ? row.template kept<kDropout>(j) * dp[j] : A(0); };
        const A delta = sum_columns<A>(team, keys, [&](int j) { return A(p[j]) * gradient(j); });
        for_columns(team, keys, [&](int j) { ds[j] = T(row.scale * A(p[j]) * (gradient(j) - delta)); });
      });
}

template <class T>
void drop_kernel(const RowRules<accumulation_t<T>>& rules, std::int64_t count, const T* p_data, T* pz_data) {
  using A = accumulation_t<T>;
  for_rows(
      "longspan::ops::drop_row_weights", count, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const auto row = rules.row(r);
        const T* const p = p_data + r * rules.keys;
        T* const pz = pz_data + r * rules.keys;
        for_columns(team, static_cast<int>(rules.keys),
                    [&](int j) { pz[j] = T(A(p[j]) * row.template kept<true>(j)); });
      });
}

}  // namespace

void multiply_to_rows(const AttentionRules& rules, const Tensor& a, const Tensor& b, const KeyColumns& columns,
                      const Tensor& rows) {
  detail::for_each_tile(rules, checked_shape(rows, a, b, columns), columns.runs, [&](const AttentionTile& tile) {
    matmul(tile.query_rows(a), tile.key_rows(b).t(), part_of_rows(tile, rows, columns.first), {.batch = tile.pairs});
  });
}

void add_rows_times_keys(const AttentionRules& rules, const Tensor& rows, const Tensor& b, const KeyColumns& columns,
                         const Tensor& out) {
  detail::for_each_tile(rules, checked_shape(rows, out, b, columns), columns.runs, [&](const AttentionTile& tile) {
    matmul(part_of_rows(tile, rows, columns.first), tile.key_rows(b), tile.query_rows(out),
           {.accumulate = true, .batch = tile.pairs});
  });
}

void add_rows_times_queries(const AttentionRules& rules, const Tensor& rows, const Tensor& a, const KeyColumns& columns,
                            const Tensor& out) {
  detail::for_each_tile(rules, checked_shape(rows, a, out, columns), columns.runs, [&](const AttentionTile& tile) {
    matmul(part_of_rows(tile, rows, columns.first).t(), tile.query_rows(a), tile.key_rows(out),
           {.accumulate = true, .batch = tile.pairs});
  });
}

void softmax_rows(const AttentionRules& rules, const Tensor& position, const Tensor& s, const Tensor& p) {
  LONGSPAN_CHECK(s.shape() == p.shape() && position.size() == s.dim(3),
                 "[score_rows] scores {}, weights {} and {} key positions", s.shape().str(), p.shape().str(),
                 position.size());
  const Tensor queries = query_positions(rules, s.dim(2));
  dispatch_float("softmax_rows", p.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    const RowRules<A> row_rules(rules, s, queries, position);
    if (rules.alibi_slopes.defined()) return softmax_kernel<T, true>(row_rules, s.rows(), s.data<A>(), p.data<T>());
    softmax_kernel<T, false>(row_rules, s.rows(), s.data<A>(), p.data<T>());
  });
}

void softmax_rows_backward(const AttentionRules& rules, const Tensor& position, const Tensor& p, const Tensor& dp,
                           const Tensor& ds) {
  LONGSPAN_CHECK(p.shape() == dp.shape() && p.shape() == ds.shape() && position.size() == p.dim(3),
                 "[score_rows] weights {}, gradients {}, {} and {} key positions", p.shape().str(), dp.shape().str(),
                 ds.shape().str(), position.size());
  const Tensor queries = query_positions(rules, p.dim(2));
  dispatch_float("softmax_rows_backward", p.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    const RowRules<A> row_rules(rules, p, queries, position);
    const auto kernel = rules.dropout > 0 ? softmax_backward_kernel<T, true> : softmax_backward_kernel<T, false>;
    kernel(row_rules, p.rows(), p.data<T>(), dp.data<A>(), ds.data<T>());
  });
}

void drop_row_weights(const AttentionRules& rules, const Tensor& position, const Tensor& p, const Tensor& pz) {
  LONGSPAN_CHECK(p.shape() == pz.shape() && position.size() == p.dim(3),
                 "[score_rows] weights {}, {} and {} key positions", p.shape().str(), pz.shape().str(),
                 position.size());
  const Tensor queries = query_positions(rules, p.dim(2));
  dispatch_float("drop_row_weights", p.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    drop_kernel<T>(RowRules<A>(rules, p, queries, position), p.rows(), p.data<T>(), pz.data<T>());
  });
}

}  // namespace longspan::ops
