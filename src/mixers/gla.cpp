#include "mixers/gla.hpp"

#include <cmath>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"
#include "mixers/projections.hpp"

namespace longspan {
namespace {

std::int64_t half_head_width(const ModelConfig& model) {
  if (model.head_width() % 2 != 0) {
    throw UserError(
        "model.mixers = gla needs an even head width for keys of half of it, but model.width / model.heads = {} / {} = "
        "{}; use another width",
        model.width, model.heads, model.head_width());
  }
  return model.head_width() / 2;
}

}  // namespace

GatedLinearAttention::GatedLinearAttention(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      heads_(s.model.heads / store.mesh().tensor),
      key_width_(half_head_width(s.model)),
      value_width_(s.model.head_width()),
      query_(store, s.name + ".query", s.model.width, s.model.width / 2, key_width_, input_init(s)),
      key_(store, s.name + ".key", s.model.width, s.model.width / 2, key_width_, input_init(s)),
      value_(store, s.name + ".value", s.model.width, s.model.width, value_width_, input_init(s)),
      gate_(store, s.name + ".gate", s.model.width, s.model.width, value_width_, input_init(s)),
      decay_down_(store, s.name + ".decay_down", s.model.width, kGateRank, {s.model.init_deviation, false, s.group}),
      decay_up_(store, s.name + ".decay_up", kGateRank, s.model.width / 2, key_width_,
                {s.model.init_deviation, true, s.group}),
      norm_(store, s.name + ".norm", value_width_, s.model.norm_epsilon, s.group),
      output_(store, s.name + ".output", s.model.width, s.model.width, value_width_, output_init(s)) {}

Variable GatedLinearAttention::mix(RecurrentRun& run, const Variable& x) const {
  const Context& context = run.context();
  const Variable logits = decay_up_.forward(context, decay_down_.forward(context, x));
  const Variable o = run.recur({.heads = heads_,
                                .key_heads = heads_,
                                .chunk = model_.chunk,
                                .scale = 1 / std::sqrt(static_cast<double>(key_width_))},
                               {query_.forward(context, x), key_.forward(context, x), value_.forward(context, x),
                                log_sigmoid(run.tape(), logits, kTemperature)});
  return output_.forward(context, swiglu(run.tape(), gate_.forward(context, x), norm_.forward(context, o)));
}

RecurrentSizes GatedLinearAttention::sizes() const {
  return {.heads = heads_, .key = key_width_, .value = value_width_};
}

MixerCost GatedLinearAttention::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double heads = static_cast<double>(model_.heads), rank = static_cast<double>(kGateRank);
  return {.forward_flops = tokens * (8 * d * d + 3 * d * rank +
                                     heads * recurrence_flops(key_width_, value_width_, model_.chunk, false)),
          .activation_elements = 8 * d + rank};
}

}  // namespace longspan
