// The language model: sizes, parts, initialisation.
#pragma once

#include <cstdint>
#include <string>

#include "config/options.hpp"

namespace longspan {

struct ModelConfig {
  std::string preset = "none";  // none, gpt2*, llama-*, bert-*: the table in model_config.cpp
  std::int64_t layers = 6;
  std::int64_t width = 384;          // D
  std::int64_t heads = 6;            // H
  std::int64_t kv_heads = 0;         // Hk; 0: as many as heads
  std::int64_t feed_forward = 0;     // F; 0: 4 D for gelu, 8/3 D rounded up to a multiple of 32 for swiglu
  std::string mixers = "attention";  // pattern over the layers (config/mixer_pattern.hpp)
  std::string norm = "layer";        // layer, rms
  std::string activation = "gelu";   // gelu, swiglu
  std::string positions = "rotary";  // rotary, learned, alibi, none
  double rotary_base = 10000;
  double norm_epsilon = 1e-5;
  bool causal = true;                 // a token sees those before it; false: all of its document (BERT)
  std::int64_t window = 0;            // sliding window of attention, tokens; 0: unlimited
  std::int64_t linformer_rank = 256;  // Kp: rows that linformer compresses a sequence's keys and values to
  std::int64_t chunk = 64;            // positions that recurrent mixers compute at once
  std::int64_t state_width = 128;     // N of state space mixers
  bool negative_eigenvalues = false;  // beta of the delta rule up to 2
  bool tied_embeddings = true;
  bool bias = false;   // biases in linear layers
  double dropout = 0;  // of embeddings, attention probabilities and residual branches
  double init_deviation = 0.02;

  std::int64_t num_kv_heads() const { return kv_heads > 0 ? kv_heads : heads; }
  std::int64_t head_width() const { return width / heads; }
  std::int64_t feed_forward_width() const;
};

// Binds the fields; `apply_preset` then fills the sizes that were not set by hand.
void bind(Options& options, ModelConfig& config);
void apply_preset(const Options& options, ModelConfig& config);

}  // namespace longspan
