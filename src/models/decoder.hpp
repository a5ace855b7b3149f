// A decoder language model: embedding, blocks, final norm, head. One object holds the part of one pipeline stage: stage
// 0 has the embedding, the last stage the head, each a balanced share of the blocks.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "autograd/functions/linear_cross_entropy.hpp"
#include "models/block.hpp"

namespace longspan {

struct DecoderSettings {
  ModelConfig model;
  std::int64_t vocabulary = 0;
  std::int64_t max_length = 0;    // of learned positions
  bool recompute_blocks = false;  // keep only each block's input
  std::string sequence_method = "ring";
  int sequence_inner = 1;
};

struct DecoderCache {
  std::vector<std::unique_ptr<MixerCache>> layers;
  std::int64_t length = 0;
};

class Decoder {
 public:
  // Declares this stage's parameters in the store; the store allocates them.
  Decoder(const DecoderSettings& settings, ParameterStore& store);

  // What the sequence context needs for this model (rotary tables).
  SequenceContext sequence_context(const SequenceShard& shard, Dtype dtype, std::int64_t first_position = 0) const;

  // Called while a backward pass goes on, when all gradients of a parameter group are complete.
  using GroupDone = std::function<void(int group)>;

  // tokens int32 [B, T_local] -> [B, T_local, D]; first stage only.
  Variable embed(const Context& context, const Tensor& tokens, const GroupDone& done = {}) const;
  // This stage's blocks.
  Variable blocks(const Context& context, const Variable& x, const GroupDone& done = {}) const;
  // Sum of losses of the rows with target >= 0 and how many are right; backward adds factor * the gradient of the
  // loss; last stage only.
  Answers loss(const Context& context, const Variable& x, const Tensor& targets, double factor,
               const GroupDone& done = {}) const;

  // Generation on one rank: tokens int32 [B, n] continue the cache; logits [B, V] of the last position.
  DecoderCache make_cache(std::int64_t batch, std::int64_t max_length) const;
  Tensor next_logits(const Context& context, const Tensor& tokens, DecoderCache& cache) const;

  // FLOPs of one training step (forward and backward, no recomputation) for one sequence, the whole model.
  double training_flops(std::int64_t sequence_length) const;

  Shape activation_shape(std::int64_t batch, std::int64_t local_length) const {
    return {batch, local_length, settings_.model.width};
  }
  const DecoderSettings& settings() const { return settings_; }

 private:
  bool first_stage() const { return store_.at().pipeline == 0; }
  bool last_stage() const { return store_.at().pipeline + 1 == store_.mesh().pipeline; }
  void declare_embedding(bool tied_copy);

  DecoderSettings settings_;
  ParameterStore& store_;
  std::vector<std::string> kinds_;  // token mixer of every layer of the whole model
  Parameter* embedding_ = nullptr;  // [V, D], rows over the tensor axis
  Parameter* positions_ = nullptr;  // [max_length, D], learned positions only
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<Norm> final_norm_;
  Parameter* head_ = nullptr;  // [V, D]; the embedding itself where tied on one stage
  int embedding_group_ = 0, head_group_ = 0;
};

}  // namespace longspan
