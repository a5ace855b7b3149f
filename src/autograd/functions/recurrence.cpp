#include "autograd/functions/recurrence.hpp"

#include "comm/rank_scan.hpp"
#include "ops/elementwise.hpp"
#include "ops/recurrence/split_recurrence.hpp"

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

ops::GradientRows rows_for(const Variable& x) {
  if (!x.defined() || !x.needs_gradient()) return {};
  const auto slot = x.gradient_slot();
  return {slot.tensor, slot.accumulate};
}

ops::RecurrenceGradients gradients_of(const RecurrenceVariables& in) {
  return {rows_for(in.q), rows_for(in.k), rows_for(in.v), rows_for(in.log_decay), rows_for(in.beta)};
}

Tensor output_like(const RecurrenceVariables& in) { return Tensor::empty(in.v.value().shape(), in.v.value().dtype()); }

// Forward and backward where the run is one of several over `axis`; `map` and the state that enters are kept between.
void forward_over_ranks(const ops::RecurrenceSettings& settings, const ops::RecurrenceInput& in, const Comm& axis,
                        const Tensor& o, Tensor& map, Tensor& state) {
  ops::SplitRecurrence run(settings, in);
  state = ops::zero_state(settings, in);
  run.advance(state);
  map = run.map();
  RankScan scan = start_scan(axis, run.sizes(), map, state, settings.reversed);
  run.make_output();
  run.enter(scan.finish());
  run.write_output(o);
}

void backward_over_ranks(const ops::RecurrenceSettings& settings, const ops::RecurrenceInput& in, const Comm& axis,
                         const Tensor& dout, const Tensor& map, const Tensor& state,
                         const ops::RecurrenceGradients& gradients) {
  ops::SplitRecurrence run(settings, in);
  run.advance(state);
  run.start_backward(dout);
  RankScan scan =
      start_scan(axis, run.sizes(), run.adjoint_map(map), ops::zero_state(settings, in), !settings.reversed);
  run.backward_queries();
  run.leave(scan.finish());
  run.write_gradients(gradients);
}

}  // namespace

Variable recurrence(Tape& tape, const ops::RecurrenceSettings& settings, const RecurrenceVariables& in,
                    const Tensor& documents, const Comm& axis) {
  const Variable o(output_like(in));
  Tensor map, state, starts;
  if (axis.size() > 1) {
    forward_over_ranks(settings, input_of(in, documents), axis, o.value(), map, state);
  } else {
    const ops::RecurrenceInput input = input_of(in, documents);
    if (tape.recording()) starts = ops::make_window_states(settings, input);
    ops::recurrence_forward(settings, input, ops::zero_state(settings, input), o.value(), starts);
  }
  tape.record("recurrence", [=, &axis] {
    const ops::RecurrenceInput input = input_of(in, documents);
    const Tensor dout = o.take_gradient();
    if (axis.size() > 1) {
      backward_over_ranks(settings, input, axis, dout, map, state, gradients_of(in));
    } else {
      ops::recurrence_backward(settings, input, starts, dout, gradients_of(in));
    }
  });
  return o;
}

Tensor extend_recurrence(const ops::RecurrenceSettings& settings, const RecurrenceVariables& in,
                         const Tensor& documents, const Tensor& state) {
  const Tensor o = output_like(in);
  ops::recurrence_forward(settings, input_of(in, documents), state, o, Tensor());
  return o;
}

}  // namespace longspan
