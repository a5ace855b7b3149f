#include "mixers/linear_attention.hpp"

#include "autograd/functions/gates.hpp"
#include "mixers/projections.hpp"

namespace longspan {

LinearAttention::LinearAttention(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      heads_(s.model.heads / store.mesh().tensor),
      width_(s.model.head_width()),
      query_(store, s.name + ".query", s.model.width, s.model.width, width_, input_init(s)),
      key_(store, s.name + ".key", s.model.width, s.model.width, width_, input_init(s)),
      value_(store, s.name + ".value", s.model.width, s.model.width, width_, input_init(s)),
      output_(store, s.name + ".output", s.model.width, s.model.width, width_, output_init(s)) {}

Variable LinearAttention::mix(RecurrentRun& run, const Variable& x) const {
  const Context& context = run.context();
  const Variable q = elu_feature(run.tape(), query_.forward(context, x));
  const Variable k = elu_feature(run.tape(), key_.forward(context, x));
  const Variable v = append_one(run.tape(), value_.forward(context, x), heads_);
  const Variable sums =
      run.recur({.heads = heads_, .key_heads = heads_, .chunk = model_.chunk}, {q, k, v, no_decay(x.value(), heads_)});
  return output_.forward(context, divide_by_last(run.tape(), sums, heads_));
}

RecurrentSizes LinearAttention::sizes() const { return {.heads = heads_, .key = width_, .value = width_ + 1}; }

MixerCost LinearAttention::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double heads = static_cast<double>(model_.heads);
  return {.forward_flops = tokens * (8 * d * d + heads * recurrence_flops(width_, width_ + 1, model_.chunk, false)),
          .activation_elements = 8 * d + 2 * heads};
}

}  // namespace longspan
