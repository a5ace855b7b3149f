#include "models/flops.hpp"

namespace longspan {

ForwardFlops forward_flops(const DecoderSettings& settings, std::int64_t t) {
  const ModelConfig& model = settings.model;
  const double tokens = static_cast<double>(t), d = static_cast<double>(model.width);
  const double feed_forward =
      2 * tokens * d * static_cast<double>(model.feed_forward_width()) * (model.activation == "swiglu" ? 3 : 2);
  ForwardFlops flops{.head = 2 * tokens * d * static_cast<double>(settings.vocabulary)};
  ParameterStore shapes({}, {});
  for (const LayerSettings& layer : layer_settings(on_one_rank(settings))) {
    const auto mixer = make_mixer(layer.kind, shapes, layer.mixer);
    flops.layers.push_back(feed_forward + mixer->cost(t).forward_flops);
  }
  return flops;
}

}  // namespace longspan
