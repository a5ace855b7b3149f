#include "mixers/hydra.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"
#include "autograd/functions/recurrence.hpp"
#include "autograd/functions/tensor_axis.hpp"
#include "mixers/projections.hpp"
#include "mixers/recurrent.hpp"
#include "nn/contiguous.hpp"
#include "nn/step_decay.hpp"

namespace longspan {
namespace {

LinearInit without_bias(LinearInit init) {
  init.bias = false;
  return init;
}

}  // namespace

Hydra::Hydra(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      tensor_(store.mesh().tensor),
      heads_(s.model.heads / tensor_),
      head_width_(2 * s.model.head_width()),
      gate_(store, s.name + ".gate", s.model.width, 2 * s.model.width, head_width_, input_init(s)),
      input_(store, s.name + ".input", s.model.width, 2 * s.model.width, head_width_, input_init(s)),
      selection_(store, s.name + ".selection", s.model.width, 4 * s.model.state_width, input_init(s)),
      input_convolution_(store, s.name + ".input_convolution", 2 * s.model.width,
                         {head_width_, true, s.group, kWidth, true}),
      selection_convolution_(store, s.name + ".selection_convolution", 4 * s.model.state_width,
                             {0, true, s.group, kWidth, true}),
      left_step_(store, s.name + ".left_step", s.model.width, s.model.heads, 1, without_bias(input_init(s))),
      right_step_(store, s.name + ".right_step", s.model.width, s.model.heads, 1, without_bias(input_init(s))),
      diagonal_(store, s.name + ".diagonal", 2 * s.model.width, s.model.heads, head_width_,
                without_bias(input_init(s))),
      step_bias_(store.declare({.name = s.name + ".step_bias",
                                .shape = {s.model.heads},
                                .shard = {0, 1},
                                .init = Initializer::function(initial_step_bias),
                                .group = s.group})),
      log_rate_(
          store.declare({.name = s.name + ".log_rate", .shape = {s.model.heads}, .shard = {0, 1}, .group = s.group})),
      skip_(store.declare({.name = s.name + ".skip",
                           .shape = {s.model.heads},
                           .shard = {0, 1},
                           .init = Initializer::constant(1),
                           .group = s.group})),
      norm_(store, s.name + ".norm", head_width_, s.model.norm_epsilon, s.group),
      output_(store, s.name + ".output", 2 * s.model.width, s.model.width, head_width_, output_init(s)) {}

Variable Hydra::forward(const Context& context, const Variable& x) const {
  return in_contiguous_run(context, x, [this](const Context& inner, const Variable& rows) { return mix(inner, rows); });
}

Variable Hydra::mix(const Context& context, const Variable& u) const {
  const Tensor documents = document_rows(context);
  const std::int64_t n = model_.state_width;
  const Variable x = input_convolution_.forward(context, input_.forward(context, u), documents);
  const std::vector<Variable> selected = split_columns(
      context.tape, selection_convolution_.forward(context, selection_.forward(context, u), documents), {n, n, n, n});
  const Variable left = scan(context, u, x, {selected[0], selected[1]}, documents, false);
  const Variable right = scan(context, u, x, {selected[2], selected[3]}, documents, true);
  const Variable aside = add(context.tape, add(context.tape, left, right), diagonal(context, x));
  const Variable y = norm_.forward(context, add_skip(context.tape, aside, x, skip_->variable()));
  return output_.forward(context, swiglu(context.tape, gate_.forward(context, u), y));
}

Variable Hydra::scan(const Context& context, const Variable& u, const Variable& x, const Selection& by,
                     const Tensor& documents, bool reversed) const {
  const ColumnLinear& projection = reversed ? right_step_ : left_step_;
  const Variable step = softplus(context.tape, projection.forward(context, u), step_bias_->variable());
  const RecurrenceVariables in{by.read, by.write, scale_heads(context.tape, x, step),
                               step_decay(context.tape, step, log_rate_->variable())};
  const Variable o =
      recurrence(context.tape, {.heads = heads_, .key_heads = 1, .chunk = model_.chunk, .reversed = reversed}, in,
                 reversed ? reversed_documents(context) : documents, context.mesh.sequence());
  return shift_rows(context, o, documents, reversed);
}

// (x_t w) x_t, where w reads the channels of all heads.
Variable Hydra::diagonal(const Context& context, const Variable& x) const {
  const Comm& axis = context.mesh.tensor();
  const Variable all = sum_inside(context.tape, diagonal_.forward(context, x), axis);
  const std::vector<std::int64_t> widths(static_cast<std::size_t>(tensor_), heads_);
  const Variable mine = split_columns(context.tape, all, widths)[static_cast<std::size_t>(axis.rank())];
  return scale_heads(context.tape, x, widen(context.tape, mine));
}

std::unique_ptr<MixerCache> Hydra::make_cache(std::int64_t, std::int64_t, Dtype) const {
  LONGSPAN_CHECK(false, "[hydra] a bidirectional mixer does not generate");
  return nullptr;
}

Variable Hydra::extend(const Context&, const Variable&, MixerCache&) const {
  LONGSPAN_CHECK(false, "[hydra] a bidirectional mixer does not generate");
  return {};
}

MixerCost Hydra::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double heads = static_cast<double>(model_.heads), n = static_cast<double>(model_.state_width);
  const double convolution = 2 * static_cast<double>(kWidth) * (2 * d + 4 * n);
  const double scans = 2 * heads * recurrence_flops(model_.state_width, head_width_, model_.chunk, false);
  return {.forward_flops = tokens * (12 * d * d + 8 * d * n + 8 * d * heads + convolution + scans),
          .activation_elements = 30 * d + 12 * n + 7 * heads};
}

}  // namespace longspan
