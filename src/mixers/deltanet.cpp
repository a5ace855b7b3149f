#include "mixers/deltanet.hpp"

#include <cmath>

#include "autograd/functions/gates.hpp"
#include "mixers/projections.hpp"

namespace longspan {

DeltaProjections::DeltaProjections(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      heads_(s.model.heads / store.mesh().tensor),
      width_(s.model.head_width()),
      query_(store, s.name + ".query", s.model.width, s.model.width, width_, input_init(s)),
      key_(store, s.name + ".key", s.model.width, s.model.width, width_, input_init(s)),
      value_(store, s.name + ".value", s.model.width, s.model.width, width_, input_init(s)),
      strength_(store, s.name + ".strength", s.model.width, s.model.heads, 1, {s.model.init_deviation, false, s.group}),
      query_convolution_(store, s.name + ".query_convolution", s.model.width, {width_, false, s.group}),
      key_convolution_(store, s.name + ".key_convolution", s.model.width, {width_, false, s.group}),
      value_convolution_(store, s.name + ".value_convolution", s.model.width, {width_, false, s.group}) {}

RecurrenceVariables DeltaProjections::forward(RecurrentRun& run, const Variable& x) const {
  const Context& context = run.context();
  const Variable q = run.convolve(query_convolution_, query_.forward(context, x));
  const Variable k = run.convolve(key_convolution_, key_.forward(context, x));
  const Variable v = run.convolve(value_convolution_, value_.forward(context, x));
  return {.q = l2_norm(run.tape(), q, heads_),
          .k = l2_norm(run.tape(), k, heads_),
          .v = v,
          .log_decay = {},
          .beta = sigmoid(run.tape(), strength_.forward(context, x), model_.negative_eigenvalues ? 2 : 1)};
}

ops::RecurrenceSettings DeltaProjections::settings() const {
  return {
      .heads = heads_, .key_heads = heads_, .chunk = model_.chunk, .scale = 1 / std::sqrt(static_cast<double>(width_))};
}

RecurrentSizes DeltaProjections::sizes() const {
  const std::int64_t channels = heads_ * width_;
  return {.heads = heads_, .key = width_, .value = width_, .convolutions = {channels, channels, channels}};
}

double DeltaProjections::flops() const {
  const double d = static_cast<double>(model_.width), heads = static_cast<double>(model_.heads);
  return 6 * d * d + 2 * d * heads + 6 * static_cast<double>(ShortConvolution::kWidth) * d +
         heads * recurrence_flops(width_, width_, model_.chunk, true);
}

double DeltaProjections::activation_elements() const {
  return 12 * static_cast<double>(model_.width) + 2 * static_cast<double>(model_.heads);
}

DeltaNet::DeltaNet(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      projections_(store, s),
      norm_(store, s.name + ".norm", s.model.head_width(), s.model.norm_epsilon, s.group),
      output_(store, s.name + ".output", s.model.width, s.model.width, s.model.head_width(), output_init(s)) {}

Variable DeltaNet::mix(RecurrentRun& run, const Variable& x) const {
  RecurrenceVariables in = projections_.forward(run, x);
  in.log_decay = no_decay(x.value(), projections_.sizes().heads);
  const Variable o = run.recur(projections_.settings(), in);
  return output_.forward(run.context(), norm_.forward(run.context(), o));
}

MixerCost DeltaNet::cost(std::int64_t t) const {
  const double d = static_cast<double>(model_.width);
  return {.forward_flops = static_cast<double>(t) * (projections_.flops() + 2 * d * d),
          .activation_elements = projections_.activation_elements() + 3 * d};
}

}  // namespace longspan
