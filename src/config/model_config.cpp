#include "config/model_config.hpp"

#include <array>

#include "base/error.hpp"

namespace longspan {
namespace {

// The published shapes: GPT-2 (Radford et al. 2019), BERT (Devlin et al. 2019; with the norm before each half of a
// block, as all models here), Llama 2 7B (Touvron et al. 2023), Llama 3 8B and Llama 3.2 1B (Llama team 2024).
// kv_heads = 0 and feed_forward = 0 keep their meaning.
struct Preset {
  const char* name;
  std::int64_t layers, width, heads, kv_heads, feed_forward;
  bool llama;  // rms norm, swiglu, rotary positions, no biases; otherwise layer norm, gelu, learned positions, biases
  double rotary_base;
  bool tied_embeddings;
  bool causal = true;
};

constexpr std::array kPresets = {
    Preset{"gpt2", 12, 768, 12, 0, 0, false, 10000, true},
    Preset{"gpt2-medium", 24, 1024, 16, 0, 0, false, 10000, true},
    Preset{"gpt2-large", 36, 1280, 20, 0, 0, false, 10000, true},
    Preset{"gpt2-xl", 48, 1600, 25, 0, 0, false, 10000, true},
    Preset{"bert-base", 12, 768, 12, 0, 0, false, 10000, true, false},
    Preset{"bert-large", 24, 1024, 16, 0, 0, false, 10000, true, false},
    Preset{"llama-1b", 16, 2048, 32, 8, 8192, true, 500000, true},
    Preset{"llama-7b", 32, 4096, 32, 0, 11008, true, 10000, false},
    Preset{"llama-8b", 32, 4096, 32, 8, 14336, true, 500000, false},
};

}  // namespace

std::int64_t ModelConfig::feed_forward_width() const {
  if (feed_forward > 0) return feed_forward;
  return activation == "swiglu" ? (8 * width + 95) / 96 * 32 : 4 * width;
}

void bind(Options& options, ModelConfig& config) {
  std::vector<std::string> presets = {"none"};
  for (const auto& preset : kPresets) presets.push_back(preset.name);
  options
      .add_choice("model.preset", config.preset, presets,
                  "Published shape that fills the [model] keys which are not set by hand.")
      .add("model.layers", config.layers, "Blocks, each of a token mixer and a feed-forward.")
      .add("model.width", config.width, "Width of the residual stream; a multiple of model.heads.")
      .add("model.heads", config.heads, "Heads of the token mixers.")
      .add("model.kv_heads", config.kv_heads, "Key and value heads, a divisor of model.heads; 0: as many as heads.")
      .add("model.feed_forward", config.feed_forward,
           "Inner width of the feed-forward; 0: 4 widths for gelu, 8/3 widths rounded up to a multiple of 32 for "
           "swiglu.")
      .add("model.mixers", config.mixers,
           "Token mixers by layer, repeated over the depth, for example deltanet*3,attention; attention:512 has a "
           "sliding window of its own, attention:0 none.")
      .add_choice("model.norm", config.norm, {"layer", "rms"}, "Normalisation before each half of a block.")
      .add_choice("model.activation", config.activation, {"gelu", "swiglu"}, "Non-linearity of the feed-forward.")
      .add_choice("model.positions", config.positions, {"rotary", "learned", "alibi", "none"},
                  "How attention knows positions.")
      .add("model.rotary_base", config.rotary_base, "Base of the rotary frequencies.")
      .add("model.norm_epsilon", config.norm_epsilon, "Added to the variance under the root of a norm.")
      .add("model.causal", config.causal,
           "A token sees those before it; false: all of its document, for objective.kind = masked_token.")
      .add("model.window", config.window,
           "Sliding window of attention layers that name none of their own, tokens; 0: unlimited.")
      .add("model.linformer_rank", config.linformer_rank,
           "Rows that the mixer linformer compresses the keys and values of a sequence to.")
      .add("model.chunk", config.chunk, "Positions that recurrent token mixers compute at once, as matrix products.")
      .add("model.state_width", config.state_width, "Width of the state of mamba and mamba2 for each channel.")
      .add("model.negative_eigenvalues", config.negative_eigenvalues,
           "The delta rule's writing strength reaches 2 instead of 1, so that a state can change its sign.")
      .add("model.tied_embeddings", config.tied_embeddings, "The output head is the embedding.")
      .add("model.bias", config.bias, "Linear layers have biases.")
      .add("model.dropout", config.dropout,
           "Probability with which entries of embeddings, attention and residual branches are dropped.")
      .add("model.init_deviation", config.init_deviation, "Standard deviation of the initial weights.");
}

void apply_preset(const Options& options, ModelConfig& config) {
  if (config.preset == "none") return;
  const Preset* preset = nullptr;
  for (const auto& each : kPresets) {
    if (config.preset == each.name) preset = &each;
  }
  LONGSPAN_CHECK(preset != nullptr, "[model] unknown preset {}", config.preset);
  const auto fill = [&](const char* key, auto& field, auto value) {
    if (!options.was_set(key)) field = value;
  };
  fill("model.layers", config.layers, preset->layers);
  fill("model.width", config.width, preset->width);
  fill("model.heads", config.heads, preset->heads);
  fill("model.kv_heads", config.kv_heads, preset->kv_heads);
  fill("model.feed_forward", config.feed_forward, preset->feed_forward);
  fill("model.norm", config.norm, preset->llama ? "rms" : "layer");
  fill("model.activation", config.activation, preset->llama ? "swiglu" : "gelu");
  fill("model.positions", config.positions, preset->llama ? "rotary" : "learned");
  fill("model.rotary_base", config.rotary_base, preset->rotary_base);
  fill("model.causal", config.causal, preset->causal);
  fill("model.norm_epsilon", config.norm_epsilon, 1e-5);
  fill("model.tied_embeddings", config.tied_embeddings, preset->tied_embeddings);
  fill("model.bias", config.bias, !preset->llama);
}

}  // namespace longspan
