#include "ops/attention.hpp"
#include "ops/math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

// Where row i of the coming visit stands in the state.
struct MergedRows {
  std::int64_t rows, n, first_row;
  KOKKOS_FORCEINLINE_FUNCTION std::int64_t operator()(std::int64_t i) const { return i / n * rows + first_row + i % n; }
};

// First the outputs, which need the old maxima, then the statistics.
template <class A>
void merge_rows(const AttentionState& state, const Tensor& o, const Tensor& lse, const MergedRows& place) {
  A* const acc = state.acc.data<A>();
  A* const maximum = state.m.data<A>();
  A* const sum = state.l.data<A>();
  const A* const other = o.data<A>();
  const A* const coming = lse.data<A>();
  const auto width = static_cast<int>(o.dim(3));
  constexpr A lowest = -Kokkos::Experimental::infinity_v<A>;
  for_rows(
      "longspan::ops::attention_merge", o.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t i) {
        if (coming[i] == lowest) return;
        const A m = maximum[place(i)], highest = coming[i] > m ? coming[i] : m;
        const A keep = math::exp(m - highest), add = math::exp(coming[i] - highest);
        A* const mine = acc + place(i) * width;
        for_columns(team, width, [&](int c) { mine[c] = mine[c] * keep + other[i * width + c] * add; });
      });
  for_elements(
      "longspan::ops::attention_merge_sums", lse.size(), KOKKOS_LAMBDA(std::int64_t i) {
        if (coming[i] == lowest) return;
        const A m = maximum[place(i)], highest = coming[i] > m ? coming[i] : m;
        sum[place(i)] = sum[place(i)] * math::exp(m - highest) + math::exp(coming[i] - highest);
        maximum[place(i)] = highest;
      });
}

}  // namespace

void attention_merge(const AttentionState& state, const Tensor& o, const Tensor& lse, std::int64_t first_row) {
  LONGSPAN_CHECK(o.dim(0) == state.acc.dim(0) && o.dim(1) == state.acc.dim(1) && o.dim(3) == state.acc.dim(3) &&
                     o.dtype() == state.acc.dtype() && lse.size() == o.rows() && first_row >= 0 &&
                     first_row + o.dim(2) <= state.acc.dim(2),
                 "[attention] a visit {} at row {} of {}", o.shape().str(), first_row, state.acc.shape().str());
  if (o.size() == 0) return;
  const MergedRows place{state.acc.dim(2), o.dim(2), first_row};
  if (o.dtype() == Dtype::float64) {
    merge_rows<double>(state, o, lse, place);
  } else {
    merge_rows<float>(state, o, lse, place);
  }
}

}  // namespace longspan::ops
