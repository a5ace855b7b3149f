#include "models/decoder_settings.hpp"

#include "config/mixer_pattern.hpp"

namespace longspan {

DecoderSettings on_one_rank(DecoderSettings settings) {
  settings.sequence_method = "ring";
  settings.sequence_inner = 1;
  return settings;
}

std::vector<LayerSettings> layer_settings(const DecoderSettings& settings) {
  const std::vector<LayerMixer> mixers = layer_mixers(settings.model);
  const std::vector<std::string> methods =
      expand_pattern("parallel.sequence_method", settings.sequence_method, settings.model.layers);
  std::vector<LayerSettings> layers;
  for (std::size_t i = 0; i < mixers.size(); ++i) {
    const auto layer = static_cast<int>(i);
    layers.push_back({.kind = mixers[i].kind,
                      .mixer = {.layer = layer,
                                .group = layer + 1,
                                .model = settings.model,
                                .max_length = settings.max_length,
                                .shard = settings.shard,
                                .mask_documents = settings.mask_documents,
                                .sequence_method = methods[i],
                                .sequence_inner = settings.sequence_inner}});
    layers.back().mixer.model.window = mixers[i].window;
  }
  return layers;
}

}  // namespace longspan
