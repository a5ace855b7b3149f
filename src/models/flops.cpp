#include "models/flops.hpp"

namespace longspan {

namespace {

// Of the products before and after the non-linearity of a feed-forward layer.
struct FeedForwardFlops {
  double before, after;
};
FeedForwardFlops feed_forward_flops(const ModelConfig& model, double tokens) {
  const double product = 2 * tokens * static_cast<double>(model.width * model.feed_forward_width());
  return {model.activation == "swiglu" ? 2 * product : product, product};
}

}  // namespace

ForwardFlops forward_flops(const DecoderSettings& settings, std::int64_t t) {
  const ModelConfig& model = settings.model;
  const double tokens = static_cast<double>(t), d = static_cast<double>(model.width);
  const FeedForwardFlops feed_forward = feed_forward_flops(model, tokens);
  ForwardFlops flops{.head = 2 * tokens * d * static_cast<double>(settings.vocabulary)};
  ParameterStore shapes({}, {});
  for (const LayerSettings& layer : layer_settings(on_one_rank(settings))) {
    const auto mixer = make_mixer(layer.kind, shapes, layer.mixer);
    flops.layers.push_back(feed_forward.before + feed_forward.after + mixer->cost(t).forward_flops);
  }
  return flops;
}

double recomputed_flops(const DecoderSettings& settings, std::int64_t t) {
  const Recompute& recompute = settings.recompute;
  const std::vector<double> whole = forward_flops(settings, t).layers;
  ParameterStore shapes({}, {});
  double flops = 0;
  const std::vector<LayerSettings> layers = layer_settings(on_one_rank(settings));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (recompute.whole_block(static_cast<std::int64_t>(i))) {
      flops += whole[i];
    } else if (recompute.remake >= Remake::linear) {
      flops += feed_forward_flops(settings.model, static_cast<double>(t)).before +
               make_mixer(layers[i].kind, shapes, layers[i].mixer)->cost(t).remade_flops;
    }
  }
  return flops;
}

}  // namespace longspan
