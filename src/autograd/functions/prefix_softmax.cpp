#include "autograd/functions/prefix_softmax.hpp"

#include "comm/rank_scan.hpp"
#include "ops/elementwise.hpp"
#include "ops/recurrence/prefix_softmax.hpp"

namespace longspan {
namespace {

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()); }

Tensor empty_state(const ops::PrefixSoftmaxInput& in) {
  const std::int64_t B = in.v.dim(0), H = in.scores.dim(2);
  const Tensor state =
      Tensor::empty({B * H, ops::prefix_state_width(in.v.dim(2) / H)}, in.scores.dtype(), Memory::workspace, "state");
  ops::clear_prefix_state(state);
  return state;
}

// What enters this rank, of what each rank's tokens add.
Tensor cross_ranks(const Comm& axis, const Tensor& map, const Tensor& state, bool reversed) {
  const ScanOperator sum{
      .apply = [](const Tensor& m, const Tensor& s) { ops::combine_prefix_states(s, m, s); },
      .compose = [](const Tensor& earlier, const Tensor& later) { ops::combine_prefix_states(earlier, later, later); }};
  const auto bytes = static_cast<std::int64_t>(map.bytes());
  return RankScan(axis, sum, map, state, reversed, choose_scan(axis.size(), bytes, bytes)).finish();
}

}  // namespace

Variable query_scores(Tape& tape, const Variable& q, const Variable& k, std::int64_t heads, double scale) {
  const Tensor& keys = k.value();
  const Variable s(Tensor::empty({keys.dim(0), keys.dim(1), heads}, accumulation_dtype(keys.dtype())));
  ops::query_scores_forward(q.value(), keys, scale, s.value());
  tape.record("query_scores", [=] {
    const Tensor dk = like(k.value()), dq = like(q.value());
    const Tensor sum = Tensor::zeros(dq.shape(), s.value().dtype(), Memory::workspace, "query gradient");
    ops::query_scores_backward(q.value(), k.value(), scale, s.take_gradient(), sum, dk);
    ops::copy(sum, dq);
    k.add_gradient(dk);
    q.add_gradient(dq);
  });
  return s;
}

Variable prefix_softmax(Tape& tape, const Variable& scores, const Variable& v, const Tensor& documents,
                        const Comm& axis, const Tensor& carried) {
  LONGSPAN_CHECK(!carried.defined() || axis.size() == 1, "[prefix_softmax] a carried state on {} ranks", axis.size());
  const ops::PrefixSoftmaxInput in{.scores = scores.value(), .v = v.value(), .documents = documents};
  Tensor state = carried.defined() ? carried : empty_state(in);
  if (axis.size() > 1) {
    const Tensor map = empty_state(in);
    ops::prefix_softmax_forward(in, map, {}, {});
    state = cross_ranks(axis, map, state, false);
  }
  const Variable o(like(in.v));
  const Tensor log_sums = like(in.scores);
  ops::prefix_softmax_forward(in, state, o.value(), log_sums);

  tape.record("prefix_softmax", [=, &axis] {
    const ops::PrefixSoftmaxOutput out{.o = o.value(), .log_sums = log_sums, .dout = o.take_gradient()};
    Tensor behind = empty_state(in);
    if (axis.size() > 1) {
      const Tensor map = empty_state(in);
      ops::prefix_softmax_backward(in, out, map, {}, {});
      behind = cross_ranks(axis, map, behind, true);
    }
    const Tensor dscores = like(in.scores), dv = like(in.v);
    ops::prefix_softmax_backward(in, out, behind, dscores, dv);
    scores.add_gradient(dscores);
    v.add_gradient(dv);
  });
  return o;
}

}  // namespace longspan
