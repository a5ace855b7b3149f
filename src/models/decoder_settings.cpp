#include "models/decoder_settings.hpp"

namespace longspan {

DecoderSettings on_one_rank(DecoderSettings settings) {
  settings.sequence_method = "ring";
  settings.sequence_inner = 1;
  return settings;
}

MixerSettings mixer_settings(const DecoderSettings& settings, int layer, int group) {
  return {.layer = layer,
          .group = group,
          .model = settings.model,
          .max_length = settings.max_length,
          .shard = settings.shard,
          .mask_documents = settings.mask_documents,
          .sequence_method = settings.sequence_method,
          .sequence_inner = settings.sequence_inner};
}

}  // namespace longspan
