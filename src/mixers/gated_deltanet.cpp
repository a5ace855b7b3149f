#include "mixers/gated_deltanet.hpp"

#include "autograd/functions/basic.hpp"
#include "mixers/projections.hpp"

namespace longspan {

GatedDeltaNet::GatedDeltaNet(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      projections_(store, s),
      step_(store, s.name + ".step", s.model.width, s.model.heads, input_init(s)),
      gate_(store, s.name + ".gate", s.model.width, s.model.width, s.model.head_width(), input_init(s)),
      norm_(store, s.name + ".norm", s.model.head_width(), s.model.norm_epsilon, s.group),
      output_(store, s.name + ".output", s.model.width, s.model.width, s.model.head_width(), output_init(s)) {}

Variable GatedDeltaNet::mix(RecurrentRun& run, const Variable& x) const {
  const Context& context = run.context();
  RecurrenceVariables in = projections_.forward(run, x);
  in.log_decay = step_.forward(context, x).log_decay;
  const Variable o = run.recur(projections_.settings(), in);
  return output_.forward(context, swiglu(run.tape(), gate_.forward(context, x), norm_.forward(context, o)));
}

MixerCost GatedDeltaNet::cost(std::int64_t t) const {
  const double d = static_cast<double>(model_.width), heads = static_cast<double>(model_.heads);
  return {.forward_flops = static_cast<double>(t) * (projections_.flops() + 4 * d * d + 2 * d * heads),
          .activation_elements = projections_.activation_elements() + 5 * d + 3 * heads};
}

}  // namespace longspan
