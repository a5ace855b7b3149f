// One visit of the backward. For each tile P = exp(S - lse) is made again from S = Q K^T; with Z = 0 or 1/(1 - rate) of
// dropout and dP = dO V^T:
//   dV += (P Z)^T dO,   dS = scale P (dP Z - delta),   dQ += dS K,   dK += dS^T Q
#include "ops/attention.hpp"
#include "ops/attention/softmax_rows.hpp"
#include "ops/cpu/attention_panels.hpp"

namespace longspan::ops {
namespace {

using detail::AttentionTile;
using detail::ScoreRow;
using detail::ScoreTile;

// The score and dP tiles come in, P Z and dS go out; in float32 and float64 they overwrite what came in.
struct TileData {
  void *scores, *dp, *p, *ds;
};

template <class T, bool kBias, bool kDropout>
void gradient_tile(const ScoreTile<accumulation_t<T>>& tile, const TileData& data, const accumulation_t<T>* lse,
                   const accumulation_t<T>* delta) {
  using A = accumulation_t<T>;
  A* const all_scores = static_cast<A*>(data.scores);
  A* const all_dp = static_cast<A*>(data.dp);
  T* const all_p = static_cast<T*>(data.p);
  T* const all_ds = static_cast<T*>(data.ds);
  launch(
      "longspan::ops::attention_gradient", detail::tile_policy(tile), KOKKOS_LAMBDA(const TeamMember& team) {
        detail::for_rows_of_team(team, tile, [&](ScoreRow<A> row) {
          A *scores = all_scores + row.offset, *dp = all_dp + row.offset;
          T* const p = detail::output_row(scores, all_p, row.offset);
          T* const ds = detail::output_row(dp, all_ds, row.offset);
          const A row_lse = lse[row.state];
          if (row_lse == -Kokkos::Experimental::infinity_v<A>) row.from = row.to = 0;
          detail::gradient_row<T, A, kBias, kDropout, false>(team, row, scores, dp, p, ds, row_lse, delta[row.state]);
          detail::clear_hidden(team, p, row, tile.cols);
          detail::clear_hidden(team, ds, row, tile.cols);
        });
      });
}

template <class T>
void row_products(const Tensor& o, const Tensor& dout, const Tensor& delta) {
  using A = accumulation_t<T>;
  const View2<T> a = view2<T>(o), b = view2<T>(dout);
  const View1<A> out = view1<A>(delta);
  const auto width = static_cast<std::int32_t>(a.extent(1));
  launch(
      "longspan::ops::attention_delta", TeamPolicy(static_cast<int>(a.extent(0)), Kokkos::AUTO, 32),
      KOKKOS_LAMBDA(const TeamMember& team) {
        const int r = team.league_rank();
        A sum = 0;
        Kokkos::parallel_reduce(
            Kokkos::TeamVectorRange(team, width),
            [&](std::int32_t c, A& partial) { partial += static_cast<A>(a(r, c)) * static_cast<A>(b(r, c)); }, sum);
        Kokkos::single(Kokkos::PerTeam(team), [&] { out(r) = sum; });
      });
}

}  // namespace

void attention_delta(const Tensor& o, const Tensor& dout, const Tensor& delta) {
  LONGSPAN_CHECK(o.shape() == dout.shape() && delta.size() == o.rows(), "[attention] o {}, its gradient {}, delta {}",
                 o.shape().str(), dout.shape().str(), delta.shape().str());
  dispatch_float("attention", o.dtype(), [&]<class T>() { row_products<T>(o, dout, delta); });
}

void attention_visit_backward(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                              const std::vector<PositionRun>& key_runs, const Tensor& lse, const Tensor& dout,
                              const Tensor& delta, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  const detail::AttentionShape shape(q, k, v);
  LONGSPAN_CHECK(
      dout.shape() == q.shape() && dq.shape() == q.shape() && dk.shape() == k.shape() && dv.shape() == v.shape(),
      "[attention] gradients do, dq {} {}, dk, dv {} {} for queries {} and keys {}", dout.shape().str(),
      dq.shape().str(), dk.shape().str(), dv.shape().str(), q.shape().str(), k.shape().str());
  if constexpr (kOnHost) {
    if (detail::attends_in_panels(q.dtype())) {
      return detail::visit_backward_in_panels(rules, q, k, v, key_runs, lse, dout, delta, dq, dk, dv);
    }
  }
  const Dtype accumulated = accumulation_dtype(q.dtype());
  const bool in_place = q.dtype() == accumulated;
  const Tensor scores = detail::tile_workspace(shape, accumulated, "attention scores");
  const Tensor dp = detail::tile_workspace(shape, accumulated, "attention weight gradients");
  const Tensor p = in_place ? scores : detail::tile_workspace(shape, q.dtype(), "attention weights");
  const Tensor ds = in_place ? dp : detail::tile_workspace(shape, q.dtype(), "attention score gradients");

  detail::for_each_tile(rules, shape, key_runs, [&](const AttentionTile& tile) {
    const MatmulOptions overwrite = {.batch = tile.pairs}, add = {.accumulate = true, .batch = tile.pairs};
    matmul(tile.query_rows(q), tile.key_rows(k).t(), tile.scores(scores), overwrite);
    matmul(tile.query_rows(dout), tile.key_rows(v).t(), tile.scores(dp), overwrite);
    detail::dispatch_rules(rules, q.dtype(), [&]<class T, bool kBias, bool kDropout>() {
      using A = accumulation_t<T>;
      gradient_tile<T, kBias, kDropout>(ScoreTile<A>(rules, shape, tile),
                                        TileData{scores.raw(), dp.raw(), p.raw(), ds.raw()}, lse.data<A>(),
                                        delta.data<A>());
    });
    matmul(tile.scores(p).t(), tile.query_rows(dout), tile.key_rows(dv), add);
    matmul(tile.scores(ds), tile.key_rows(k), tile.query_rows(dq), add);
    matmul(tile.scores(ds).t(), tile.query_rows(q), tile.key_rows(dk), add);
  });
}

}  // namespace longspan::ops
