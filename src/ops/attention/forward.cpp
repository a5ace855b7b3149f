// One visit of the forward: for each tile S = Q K^T, then the online softmax turns S into P and rescales what the rows
// have gathered so far, then acc += P V.
#include "ops/attention.hpp"

#include <limits>

#include "ops/attention/softmax_rows.hpp"
#include "ops/cpu/attention_panels.hpp"
#include "ops/elementwise.hpp"

namespace longspan::ops {
namespace {

using detail::AttentionTile;
using detail::RunningRows;
using detail::ScoreRow;
using detail::ScoreTile;

template <class T, bool kBias, bool kDropout>
void softmax_tile(const ScoreTile<accumulation_t<T>>& tile, void* score_data, void* p_data,
                  const RunningRows<accumulation_t<T>>& running) {
  using A = accumulation_t<T>;
  A* const all_scores = static_cast<A*>(score_data);
  T* const all_p = static_cast<T*>(p_data);
  launch(
      "longspan::ops::attention_softmax", detail::tile_policy(tile), KOKKOS_LAMBDA(const TeamMember& team) {
        detail::for_rows_of_team(team, tile, [&](const ScoreRow<A>& row) {
          A* const scores = all_scores + row.offset;
          T* const p = detail::output_row(scores, all_p, row.offset);
          if (row.lo < row.hi) detail::softmax_row<T, A, kBias, kDropout, false>(team, row, scores, p, running);
          detail::clear_hidden(team, p, row, tile.cols);
        });
      });
}

template <class T>
void finish(const AttentionState& state, const Tensor& o, const Tensor& lse) {
  using A = accumulation_t<T>;
  const View2<A> acc = view2<A>(state.acc);
  const View1<A> m = view1<A>(state.m), l = view1<A>(state.l), log_sum = view1<A>(lse);
  const View2<T> out = view2<T>(o);
  const auto width = static_cast<std::int32_t>(acc.extent(1));
  launch(
      "longspan::ops::attention_finish", TeamPolicy(static_cast<int>(acc.extent(0)), Kokkos::AUTO, 32),
      KOKKOS_LAMBDA(const TeamMember& team) {
        const int r = team.league_rank();
        const A factor = l(r) > A(0) ? A(1) / l(r) : A(0);
        Kokkos::parallel_for(Kokkos::TeamVectorRange(team, width),
                             [&](std::int32_t c) { out(r, c) = T(acc(r, c) * factor); });
        Kokkos::single(Kokkos::PerTeam(team), [&] {
          log_sum(r) = l(r) > A(0) ? m(r) + Kokkos::log(l(r)) : -Kokkos::Experimental::infinity_v<A>;
        });
      });
}

}  // namespace

AttentionState make_attention_state(const Tensor& q) {
  const Dtype dtype = accumulation_dtype(q.dtype());
  const Shape rows = {q.dim(0), q.dim(1), q.dim(2)};
  AttentionState state{Tensor::zeros(q.shape(), dtype, Memory::workspace, "attention accumulator"),
                       Tensor::empty(rows, dtype, Memory::workspace, "attention maxima"),
                       Tensor::zeros(rows, dtype, Memory::workspace, "attention sums")};
  fill(state.m, -std::numeric_limits<double>::infinity());
  return state;
}

void attention_visit(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                     const std::vector<PositionRun>& key_runs, const AttentionState& state) {
  const detail::AttentionShape shape(q, k, v);
  LONGSPAN_CHECK(state.acc.shape() == q.shape(), "[attention] state {} for queries {}", state.acc.shape().str(),
                 q.shape().str());
  if constexpr (kOnHost) {
    if (detail::attends_in_panels(q.dtype())) return detail::visit_in_panels(rules, q, k, v, key_runs, state);
  }
  const Dtype accumulated = accumulation_dtype(q.dtype());
  const Tensor scores = detail::tile_workspace(shape, accumulated, "attention scores");
  // Probabilities overwrite the scores unless they are rounded to bfloat16.
  const Tensor p = q.dtype() == accumulated ? scores : detail::tile_workspace(shape, q.dtype(), "attention weights");

  detail::for_each_tile(rules, shape, key_runs, [&](const AttentionTile& tile) {
    matmul(tile.query_rows(q), tile.key_rows(k).t(), tile.scores(scores), {.batch = tile.pairs});
    detail::dispatch_rules(rules, q.dtype(), [&]<class T, bool kBias, bool kDropout>() {
      using A = accumulation_t<T>;
      softmax_tile<T, kBias, kDropout>(
          ScoreTile<A>(rules, shape, tile), scores.raw(), p.raw(),
          RunningRows<A>{state.m.data<A>(), state.l.data<A>(), state.acc.data<A>(), shape.width});
    });
    matmul(tile.scores(p), tile.key_rows(v), tile.query_rows(state.acc), {.accumulate = true, .batch = tile.pairs});
  });
}

void attention_finish(const AttentionState& state, const Tensor& o, const Tensor& lse) {
  LONGSPAN_CHECK(o.shape() == state.acc.shape() && lse.shape() == state.m.shape(),
                 "[attention] output {} and lse {} for state {}", o.shape().str(), lse.shape().str(),
                 state.acc.shape().str());
  dispatch_float("attention", o.dtype(), [&]<class T>() { finish<T>(state, o, lse); });
}

}  // namespace longspan::ops
