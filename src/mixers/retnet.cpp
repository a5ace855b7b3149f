#include "mixers/retnet.hpp"

#include <cmath>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"
#include "mixers/projections.hpp"

namespace longspan {

RetNet::RetNet(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      heads_(s.model.heads / store.mesh().tensor),
      first_head_(heads_ * store.at().tensor),
      key_width_(s.model.head_width()),
      value_width_(2 * key_width_),
      query_(store, s.name + ".query", s.model.width, s.model.width, key_width_, input_init(s)),
      key_(store, s.name + ".key", s.model.width, s.model.width, key_width_, input_init(s)),
      value_(store, s.name + ".value", s.model.width, 2 * s.model.width, value_width_, input_init(s)),
      gate_(store, s.name + ".gate", s.model.width, 2 * s.model.width, value_width_, input_init(s)),
      norm_(store, s.name + ".norm", value_width_, s.model.norm_epsilon, s.group),
      output_(store, s.name + ".output", 2 * s.model.width, s.model.width, value_width_, output_init(s)) {}

Variable RetNet::mix(RecurrentRun& run, const Variable& x) const {
  const Context& context = run.context();
  const ops::RotaryTable& rotary = context.sequence.rotary;
  const Variable q = rotate_heads(run.tape(), query_.forward(context, x), rotary, heads_);
  const Variable k = rotate_heads(run.tape(), key_.forward(context, x), rotary, heads_);
  const Variable v = value_.forward(context, x);
  std::vector<double> log_gamma;
  for (std::int64_t h = 0; h < heads_; ++h) {
    log_gamma.push_back(std::log1p(-std::exp2(-5.0 - static_cast<double>(first_head_ + h))));
  }
  const Variable o = run.recur({.heads = heads_,
                                .key_heads = heads_,
                                .chunk = model_.chunk,
                                .scale = 1 / std::sqrt(static_cast<double>(key_width_))},
                               {q, k, v, constant_decay(x.value(), log_gamma)});
  return output_.forward(context, swiglu(run.tape(), gate_.forward(context, x), norm_.forward(context, o)));
}

RecurrentSizes RetNet::sizes() const { return {.heads = heads_, .key = key_width_, .value = value_width_}; }

MixerCost RetNet::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double heads = static_cast<double>(model_.heads);
  return {
      .forward_flops = tokens * (16 * d * d + heads * recurrence_flops(key_width_, value_width_, model_.chunk, false)),
      .activation_elements = 13 * d};
}

}  // namespace longspan
