#include "autograd/functions/recurrence.hpp"

#include "comm/rank_scan.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

ops::RecurrenceInput input_of(const RecurrenceVariables& in, const Tensor& documents) {
  return {.q = in.q.value(),
          .k = in.k.value(),
          .v = in.v.value(),
          .log_decay = in.log_decay.value(),
          .beta = in.beta.defined() ? in.beta.value() : Tensor(),
          .documents = documents};
}

RankScan start_scan(const Comm& axis, const ops::AffineMapSizes& sizes, const Tensor& map, const Tensor& state,
                    bool reversed) {
  const ScanOperator affine{
      .apply = [sizes](const Tensor& m, const Tensor& s) { ops::apply_map(sizes, m, s); },
      .compose = [sizes](const Tensor& earlier, const Tensor& later) { ops::compose_maps(sizes, earlier, later); }};
  const ScanMethod method =
      choose_scan(axis.size(), static_cast<std::int64_t>(map.bytes()), static_cast<std::int64_t>(state.bytes()));
  return RankScan(axis, affine, map, state, reversed, method);
}

void give_gradient(const Variable& x, const Tensor& chunks, std::int64_t heads, const ops::ChunkSizes& size) {
  if (!x.defined() || !x.needs_gradient()) return;
  const auto dx = x.gradient_slot();
  ops::from_chunks(chunks, heads, size, dx.tensor, dx.accumulate);
}

Tensor output_like(const RecurrenceVariables& in) { return Tensor::empty(in.v.value().shape(), in.v.value().dtype()); }

}  // namespace

Variable recurrence(Tape& tape, const ops::RecurrenceSettings& settings, const RecurrenceVariables& in,
                    const Tensor& documents, const Comm& axis) {
  const Variable o(output_like(in));
  Tensor map, state;
  {
    ops::Recurrence run(settings, input_of(in, documents));
    if (axis.size() > 1) {
      map = run.map();
      state = run.zero_state();
      RankScan scan = start_scan(axis, run.sizes(), map, state, settings.reversed);
      run.compute_output();
      run.enter(scan.finish());
    } else {
      run.compute_output();
    }
    run.write_output(o.value());
  }
  tape.record("recurrence", [=, &axis] {
    ops::Recurrence run(settings, input_of(in, documents));
    if (axis.size() > 1) run.enter(state);
    run.start_backward(o.take_gradient());
    if (axis.size() > 1) {
      const Tensor adjoint = run.adjoint_map(map);
      RankScan scan = start_scan(axis, run.sizes(), adjoint, run.zero_state(), !settings.reversed);
      run.backward_queries();
      run.leave(scan.finish());
    } else {
      run.backward_queries();
    }
    const ops::Recurrence::Gradients g = run.finish_backward();
    give_gradient(in.q, g.q, settings.key_heads, run.chunks());
    give_gradient(in.k, g.k, settings.key_heads, run.chunks());
    give_gradient(in.v, g.v, settings.heads, run.chunks());
    give_gradient(in.log_decay, g.log_decay, settings.heads, run.chunks());
    give_gradient(in.beta, g.beta, settings.heads, run.chunks());
  });
  return o;
}

Tensor extend_recurrence(const ops::RecurrenceSettings& settings, const RecurrenceVariables& in,
                         const Tensor& documents, const Tensor& state) {
  ops::Recurrence run(settings, input_of(in, documents));
  run.compute_output();
  run.enter(state);
  const Tensor o = output_like(in);
  run.write_output(o);
  ops::copy(run.final_state(), state);
  return o;
}

}  // namespace longspan
