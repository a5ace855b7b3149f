#include "autograd/functions/selective_scan.hpp"

#include "comm/rank_scan.hpp"
#include "ops/recurrence/scan_map.hpp"

namespace longspan {
namespace {

// Overwrites `state` with what enters this rank's run.
void cross_ranks(const Comm& axis, const Tensor& rates, const Tensor& map, const Tensor& state, bool reversed) {
  const ScanOperator decay{.apply = [rates](const Tensor& m, const Tensor& s) { ops::apply_scan_map(rates, m, s); },
                           .compose = [rates](const Tensor& earlier,
                                              const Tensor& later) { ops::compose_scan_maps(rates, earlier, later); }};
  const ScanMethod method =
      choose_scan(axis.size(), static_cast<std::int64_t>(map.bytes()), static_cast<std::int64_t>(state.bytes()));
  RankScan(axis, decay, map, state, reversed, method).finish();
}

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()); }

}  // namespace

Variable selective_scan(Tape& tape, const SelectiveScanVariables& in, const Tensor& documents, std::int64_t chunk,
                        const Comm& axis, const Tensor& carried) {
  LONGSPAN_CHECK(!carried.defined() || axis.size() == 1, "[selective_scan] a carried state on {} ranks", axis.size());
  ops::SelectiveScanInput input{.x = in.x.value(),
                                .step = in.step.value(),
                                .write = in.write.value(),
                                .read = in.read.value(),
                                .rates = ops::scan_rates(in.log_rate.value()),
                                .skip = in.skip.value(),
                                .documents = documents};
  const Shape states = {input.x.dim(0), input.rates.dim(0), input.rates.dim(1)};
  const auto no_state = [states, dtype = input.rates.dtype()] {
    return Tensor::zeros(states, dtype, Memory::workspace, "state");
  };
  const Tensor state = carried.defined() ? carried : no_state();
  Tensor map;
  if (axis.size() > 1) {
    map = ops::scan_map(input);
    cross_ranks(axis, input.rates, map, state, false);
  }
  const Tensor starts = tape.recording() ? ops::scan_starts(input, chunk) : Tensor();
  const Variable y(like(input.x));
  ops::selective_scan_forward(input, chunk, state, starts, y.value());

  input.skip = Tensor();  // a parameter's value may have gone until the way back
  tape.record("selective_scan", [=, &axis, saved = input] {
    ops::SelectiveScanInput input = saved;
    input.skip = in.skip.value();
    const Tensor dy = y.take_gradient(), dstate = no_state();
    if (axis.size() > 1) cross_ranks(axis, input.rates, ops::scan_adjoint_map(input, map, dy), dstate, true);
    const ops::SelectiveScanGradients g{.x = like(input.x),
                                        .step = like(input.step),
                                        .write = like(input.write),
                                        .read = like(input.read),
                                        .rates = like(input.rates),
                                        .skip = in.skip.gradient()};
    ops::selective_scan_backward(input, chunk, starts, dy, dstate, g);
    in.x.add_gradient(g.x);
    in.step.add_gradient(g.step);
    in.write.add_gradient(g.write);
    in.read.add_gradient(g.read);
    ops::scan_rates_backward(input.rates, g.rates, in.log_rate.gradient());
  });
  return y;
}

}  // namespace longspan
