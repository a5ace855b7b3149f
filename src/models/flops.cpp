#include "models/flops.hpp"

#include "config/mixer_pattern.hpp"
#include "mixers/mixer.hpp"

namespace longspan {

ForwardFlops forward_flops(const ModelConfig& model, std::int64_t vocabulary, std::int64_t t) {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model.width);
  const double feed_forward =
      2 * tokens * d * static_cast<double>(model.feed_forward_width()) * (model.activation == "swiglu" ? 3 : 2);
  ForwardFlops flops{.head = 2 * tokens * d * static_cast<double>(vocabulary)};
  ParameterStore shapes({}, {});
  for (const std::string& kind : expand_mixers(model.mixers, model.layers)) {
    flops.layers.push_back(feed_forward + make_mixer(kind, shapes, {.model = model})->cost(t).forward_flops);
  }
  return flops;
}

}  // namespace longspan
