#include "mixers/aaren.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/functions/prefix_softmax.hpp"
#include "mixers/projections.hpp"
#include "ops/recurrence/prefix_softmax.hpp"

namespace longspan {

Aaren::Aaren(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      heads_(s.model.heads / store.mesh().tensor),
      token_(store.declare({.name = s.name + ".token",
                            .shape = {1, s.model.width},
                            .init = Initializer::normal(s.model.init_deviation),
                            .group = s.group})),
      query_(store, s.name + ".query", s.model.width, s.model.width, s.model.head_width(), input_init(s)),
      key_(store, s.name + ".key", s.model.width, s.model.width, s.model.head_width(), input_init(s)),
      value_(store, s.name + ".value", s.model.width, s.model.width, s.model.head_width(), input_init(s)),
      output_(store, s.name + ".output", s.model.width, s.model.width, s.model.head_width(), output_init(s)) {}

Variable Aaren::mix(RecurrentRun& run, const Variable& x) const {
  const Context& context = run.context();
  const Variable token = copied(run.tape(), token_->variable());
  const double scale = 1 / std::sqrt(static_cast<double>(model_.head_width()));
  const Variable scores =
      query_scores(run.tape(), query_.forward(context, token), key_.forward(context, x), heads_, scale);
  const Variable o = prefix_softmax(run.tape(), scores, value_.forward(context, x), run.documents(),
                                    context.mesh.sequence(), run.carried());
  return output_.forward(context, o);
}

RecurrentSizes Aaren::sizes() const {
  return {.heads = heads_, .key = 1, .value = ops::prefix_state_width(model_.head_width())};
}

std::unique_ptr<MixerCache> Aaren::make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const {
  std::unique_ptr<MixerCache> cache = RecurrentMixer::make_cache(batch, max_length, dtype);
  ops::clear_prefix_state(dynamic_cast<RecurrentCache&>(*cache).state);
  return cache;
}

MixerCost Aaren::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double heads = static_cast<double>(model_.heads);
  return {.forward_flops = tokens * (6 * d * d + 6 * d), .activation_elements = 3 * d + 3 * heads};
}

}  // namespace longspan
