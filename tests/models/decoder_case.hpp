// A small decoder on one rank with random weights in float64.
#pragma once

#include "comm/mesh.hpp"
#include "models/decoder.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {

inline ModelConfig small_model() {
  ModelConfig m;
  m.layers = 2, m.width = 16, m.heads = 4, m.init_deviation = 0.3;
  return m;
}

class OneRankDecoder {
 public:
  static constexpr std::int64_t kVocabulary = 13, kLength = 9;

  explicit OneRankDecoder(const ModelConfig& model, const Recompute& recompute = {})
      : mesh_(world().split("self", world().rank(), 0), {}),
        store_({}, {}),
        decoder_({.model = model, .vocabulary = kVocabulary, .max_length = kLength, .recompute = recompute}, store_) {
    store_.allocate(Dtype::float64, 4);
  }

  const Decoder& decoder() const { return decoder_; }
  const ParameterStore& store() const { return store_; }

  // tokens [B, n] as rows one after the other.
  Values next_logits(const std::vector<std::int32_t>& tokens, std::int64_t batch, DecoderCache& cache) const {
    const std::int64_t n = static_cast<std::int64_t>(tokens.size()) / batch;
    const SequenceContext sequence =
        decoder_.sequence_context(SequenceShard(ShardKind::contiguous, n, 1, 0), Dtype::float64, cache.length);
    Tape tape(false);
    const Context context{.tape = tape, .mesh = mesh_, .sequence = sequence, .batch = batch};
    return to_values(decoder_.next_logits(context, Tensor::from_host(tokens, {batch, n}), cache));
  }

  // The training pass; `dropout_key` 0 drops nothing. Gradients are added to the store's.
  double loss(const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& targets, bool backward = false,
              std::uint64_t dropout_key = 0) const {
    const auto n = static_cast<std::int64_t>(tokens.size());
    const SequenceShard shard(ShardKind::contiguous, n, 1, 0);
    const SequenceContext sequence = decoder_.sequence_context(shard, Dtype::float64);
    Tape tape(backward);
    const Context context{.tape = tape,
                          .mesh = mesh_,
                          .sequence = sequence,
                          .batch = 1,
                          .dropout_key = dropout_key,
                          .dropout_rows = make_dropout_rows(shard, 1, 0),
                          .remake = decoder_.settings().recompute.remake};
    const Variable x = decoder_.blocks(context, decoder_.embed(context, Tensor::from_host(tokens, {1, n})));
    const AnswerSums answers;
    decoder_.loss(context, x, Tensor::from_host(targets, {1, n}), 1.0, answers);
    if (backward) tape.backward();
    return to_values(answers.loss())[0];
  }

 private:
  Mesh mesh_;
  ParameterStore store_;
  Decoder decoder_;
};

// Model shapes that differ in how positions, keys and parameters are handled.
inline std::vector<ModelConfig> model_variants() {
  std::vector<ModelConfig> all(6, small_model());
  all[1].positions = "learned";
  all[1].bias = true;
  all[2].positions = "alibi";
  all[3].window = 3;
  all[4].kv_heads = 2;
  all[4].norm = "rms";
  all[4].activation = "swiglu";
  all[5].tied_embeddings = false;
  all[5].positions = "none";
  return all;
}

}  // namespace longspan::testing
