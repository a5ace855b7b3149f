// What a model is, apart from its weights and from how ranks share it.
#pragma once

#include <string>

#include "config/model_config.hpp"
#include "layout/sequence_shard.hpp"
#include "mixers/mixer.hpp"

namespace longspan {

struct DecoderSettings {
  ModelConfig model;
  std::int64_t vocabulary = 0;
  std::int64_t max_length = 0;              // of learned positions and of mixers with an entry a position
  ShardKind shard = ShardKind::contiguous;  // of the sequence
  bool mask_documents = false;              // mixers stay inside a document
  bool recompute_blocks = false;            // keep only each block's input
  std::string sequence_method = "ring";
  int sequence_inner = 1;
};

// The same model on one rank, where nothing crosses the sequence axis.
DecoderSettings on_one_rank(DecoderSettings settings);

// Those of the token mixer of one layer, whose parameters are in `group`.
MixerSettings mixer_settings(const DecoderSettings& settings, int layer, int group);

}  // namespace longspan
