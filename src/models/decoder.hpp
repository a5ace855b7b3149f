// A language model, causal or bidirectional: embedding, blocks, final norm, head. One object holds the chunks of one
// pipeline stage: the first chunk has the embedding, the last one the head, each a run of blocks.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "autograd/functions/linear_cross_entropy.hpp"
#include "layout/stages.hpp"
#include "models/block.hpp"
#include "models/decoder_settings.hpp"

namespace longspan {

struct DecoderCache {
  std::vector<std::unique_ptr<MixerCache>> layers;
  std::int64_t length = 0;
};

class Decoder {
 public:
  // Declares the parameters of this stage's chunks in the store; the store allocates them.
  Decoder(const DecoderSettings& settings, const ModelSplit& split, ParameterStore& store);
  // The whole model as one chunk.
  Decoder(const DecoderSettings& settings, ParameterStore& store);

  // What the sequence context needs for this model (rotary tables).
  SequenceContext sequence_context(const SequenceShard& shard, Dtype dtype, std::int64_t first_position = 0) const;

  // Called while a backward pass goes on, when it has added to all gradients of a parameter group.
  using GroupDone = std::function<void(int group)>;

  // tokens int32 [B, T_local] to this rank's rows [rows, D] of the residual stream; before the first chunk.
  Variable embed(const Context& context, const Tensor& tokens, const GroupDone& done = {}) const;
  // The blocks of one of this stage's chunks.
  Variable blocks(const Context& context, const Variable& x, int chunk = 0, const GroupDone& done = {}) const;
  // To `answers`: the losses of the rows with target >= 0 and how many are right. Backward adds factor * the gradient
  // of the loss. Behind the last chunk.
  void loss(const Context& context, const Variable& x, const Tensor& targets, double factor, const AnswerSums& answers,
            const GroupDone& done = {}) const;

  // Generation on one rank: tokens int32 [B, n] continue the cache; logits [B, V] of the last position.
  DecoderCache make_cache(std::int64_t batch, std::int64_t max_length) const;
  Tensor next_logits(const Context& context, const Tensor& tokens, DecoderCache& cache) const;

  // FLOPs of one training step (forward and backward, no recomputation) for one sequence, the whole model.
  double training_flops(std::int64_t sequence_length) const;

  // Of the residual stream between two layers, as this rank of the tensor axis holds it.
  Shape residual_shape(std::int64_t batch, std::int64_t local_length) const;
  const DecoderSettings& settings() const { return settings_; }
  const ModelSplit& split() const { return split_; }

 private:
  bool holds(int chunk) const { return split_.stage_of[static_cast<std::size_t>(chunk)] == store_.at().pipeline; }
  Variable embed_positions(const Context& context, const Shape& tokens) const;
  void declare_embedding(bool tied_copy);
  void declare_blocks(int chunk);
  void declare_head();
  // Around what parameter groups compute, forward and backward (recorded on the tape): their values are there and their
  // gradients open. Values of `next` and, on the way back, of `before` are fetched meanwhile. Leaving the first group
  // backward is `done`.
  using Groups = std::vector<int>;
  void enter(const Context& context, const Groups& groups, const Groups& next, const GroupDone& done) const;
  void leave(const Context& context, const Groups& groups, const Groups& before) const;
  // The group of block i of this stage, if it is one of the chunk's; those that the head reads.
  Groups block_groups(int chunk, std::int64_t i) const;
  Groups head_groups() const;

  DecoderSettings settings_;
  ModelSplit split_;
  ParameterStore& store_;
  std::vector<LayerSettings> layers_;           // of the whole model
  Parameter* embedding_ = nullptr;              // [V, D], rows over the tensor axis
  Parameter* positions_ = nullptr;              // [max_length, D], learned only; rows over the sequence axis
  std::vector<std::unique_ptr<Block>> blocks_;  // of all chunks of this stage, in the order of depth
  std::vector<Range> blocks_of_;                // [chunk] which of blocks_; none of chunks elsewhere
  std::unique_ptr<Norm> final_norm_;
  Parameter* head_ = nullptr;  // [V, D]; the embedding itself where tied on one stage
  int embedding_group_ = 0, head_group_ = 0;
};

}  // namespace longspan
