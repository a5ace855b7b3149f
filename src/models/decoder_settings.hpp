// What a model is, apart from its weights and from how ranks share it.
#pragma once

#include <string>
#include <vector>

#include "config/model_config.hpp"
#include "config/recompute.hpp"
#include "layout/sequence_shard.hpp"
#include "mixers/mixer.hpp"
#include "ops/cross_entropy.hpp"

namespace longspan {

struct DecoderSettings {
  ModelConfig model;
  std::int64_t vocabulary = 0;
  std::int64_t max_length = 0;              // of learned positions and of mixers with an entry a position
  ShardKind shard = ShardKind::contiguous;  // of the sequence
  bool mask_documents = false;              // mixers stay inside a document
  Recompute recompute = {};
  ops::LossRule loss = {};               // of training
  std::string sequence_method = "ring";  // of attention, a pattern over the layers
  int sequence_inner = 1;
};

// The same model on one rank, where nothing crosses the sequence axis.
DecoderSettings on_one_rank(DecoderSettings settings);

struct LayerSettings {
  std::string kind;     // of the token mixer
  MixerSettings mixer;  // but for its name; the parameters of layer i are in group i + 1
};

// Of every layer of the model, by the patterns model.mixers and parallel.sequence_method.
std::vector<LayerSettings> layer_settings(const DecoderSettings& settings);

}  // namespace longspan
