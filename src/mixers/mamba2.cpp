#include "mixers/mamba2.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"
#include "mixers/projections.hpp"

namespace longspan {

Mamba2::Mamba2(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      heads_(s.model.heads / store.mesh().tensor),
      head_width_(2 * s.model.head_width()),
      gate_(store, s.name + ".gate", s.model.width, 2 * s.model.width, head_width_, input_init(s)),
      input_(store, s.name + ".input", s.model.width, 2 * s.model.width, head_width_, input_init(s)),
      write_(store, s.name + ".write", s.model.width, s.model.state_width, input_init(s)),
      read_(store, s.name + ".read", s.model.width, s.model.state_width, input_init(s)),
      input_convolution_(store, s.name + ".input_convolution", 2 * s.model.width, {head_width_, true, s.group}),
      write_convolution_(store, s.name + ".write_convolution", s.model.state_width, {0, true, s.group}),
      read_convolution_(store, s.name + ".read_convolution", s.model.state_width, {0, true, s.group}),
      step_(store, s.name + ".step", s.model.width, s.model.heads, input_init(s)),
      skip_(store.declare({.name = s.name + ".skip",
                           .shape = {s.model.heads},
                           .shard = {0, 1},
                           .init = Initializer::constant(1),
                           .group = s.group})),
      norm_(store, s.name + ".norm", head_width_, s.model.norm_epsilon, s.group),
      output_(store, s.name + ".output", 2 * s.model.width, s.model.width, head_width_, output_init(s)) {}

Variable Mamba2::mix(RecurrentRun& run, const Variable& u) const {
  const Context& context = run.context();
  const Variable x = run.convolve(input_convolution_, input_.forward(context, u));
  const Variable b = run.convolve(write_convolution_, write_.forward(context, u));
  const Variable c = run.convolve(read_convolution_, read_.forward(context, u));
  const StepDecay::Result step = step_.forward(context, u);
  const Variable o = run.recur({.heads = heads_, .key_heads = 1, .chunk = model_.chunk},
                               {c, b, scale_heads(run.tape(), x, step.step), step.log_decay});
  const Variable y = add_skip(run.tape(), o, x, skip_->variable());
  return output_.forward(context, norm_.forward(context, swiglu(run.tape(), gate_.forward(context, u), y)));
}

RecurrentSizes Mamba2::sizes() const {
  return {.heads = heads_,
          .key = model_.state_width,
          .value = head_width_,
          .convolutions = {heads_ * head_width_, model_.state_width, model_.state_width}};
}

MixerCost Mamba2::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double heads = static_cast<double>(model_.heads), n = static_cast<double>(model_.state_width);
  const double convolution = 2 * static_cast<double>(ShortConvolution::kWidth) * (2 * d + 2 * n);
  return {.forward_flops = tokens * (12 * d * d + 4 * d * n + 2 * d * heads + convolution +
                                     heads * recurrence_flops(model_.state_width, head_width_, model_.chunk, false)),
          .activation_elements = 17 * d + 6 * n + 3 * heads};
}

}  // namespace longspan
