#include "mixers/mamba.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"
#include "autograd/functions/selective_scan.hpp"
#include "autograd/functions/tensor_axis.hpp"
#include "mixers/projections.hpp"
#include "nn/step_decay.hpp"

namespace longspan {
namespace {

LinearInit without_bias(LinearInit init) {
  init.bias = false;
  return init;
}
// Step sizes of the channels start apart by their biases alone: of a projection with entries of deviation R^-1/2 / 3.
LinearInit step_init(const MixerSettings& s, std::int64_t rank) {
  return {1 / std::sqrt(3.0 * static_cast<double>(rank)), false, s.group};
}

}  // namespace

Mamba::Mamba(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      channels_(2 * s.model.width),
      step_rank_((s.model.width + 15) / 16),
      gate_(store, s.name + ".gate", s.model.width, channels_, 1, input_init(s)),
      input_(store, s.name + ".input", s.model.width, channels_, 1, input_init(s)),
      convolution_(store, s.name + ".convolution", channels_, {1, true, s.group}),
      selection_(store, s.name + ".selection", channels_, step_rank_ + 2 * s.model.state_width, 1,
                 without_bias(input_init(s))),
      step_(store, s.name + ".step", step_rank_, channels_, 1, step_init(s, step_rank_)),
      step_bias_(store.declare({.name = s.name + ".step.bias",
                                .shape = {channels_},
                                .shard = {0, 1},
                                .init = Initializer::function(initial_step_bias),
                                .group = s.group})),
      log_rate_(store.declare({.name = s.name + ".log_rate",
                               .shape = {channels_, s.model.state_width},
                               .shard = {0, 1},
                               .init = Initializer::function([n = s.model.state_width](std::uint64_t, std::int64_t i) {
                                 return std::log(static_cast<double>(i % n + 1));
                               }),
                               .group = s.group})),
      skip_(store.declare({.name = s.name + ".skip",
                           .shape = {channels_},
                           .shard = {0, 1},
                           .init = Initializer::constant(1),
                           .group = s.group})),
      output_(store, s.name + ".output", channels_, s.model.width, 1, output_init(s)) {}

Variable Mamba::mix(RecurrentRun& run, const Variable& u) const {
  const Context& context = run.context();
  const std::int64_t n = model_.state_width;
  const Variable x = run.convolve(convolution_, input_.forward(context, u));
  const Variable selected = sum_inside(run.tape(), selection_.forward(context, x), context.mesh.tensor());
  const std::vector<Variable> parts = split_columns(run.tape(), selected, {step_rank_, n, n});
  const SelectiveScanVariables in{
      .x = x,
      .step = softplus(run.tape(), step_.forward(context, parts[0]), step_bias_->variable()),
      .write = parts[1],
      .read = parts[2],
      .log_rate = log_rate_->variable(),
      .skip = skip_->variable()};
  const Variable y =
      selective_scan(run.tape(), in, run.documents(), model_.chunk, context.mesh.sequence(), run.carried());
  return output_.forward(context, swiglu(run.tape(), gate_.forward(context, u), y));
}

RecurrentSizes Mamba::sizes() const {
  const std::int64_t local = skip_->local_shape()[0];
  return {.heads = 1, .key = model_.state_width, .value = local, .convolutions = {local}};
}

MixerCost Mamba::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double n = static_cast<double>(model_.state_width), r = static_cast<double>(step_rank_), c = 2 * d;
  const double projections = 2 * (3 * d * c + c * (r + 2 * n) + r * c);
  // A state: a decay's product, three multiply-adds less one; the exponential is not counted.
  const double scan = 6 * c * n + 3 * c;
  return {.forward_flops = tokens * (projections + 2 * static_cast<double>(ShortConvolution::kWidth) * c + scan),
          .activation_elements = 10 * c + r + 4 * n + c * n / static_cast<double>(model_.chunk)};
}

}  // namespace longspan
