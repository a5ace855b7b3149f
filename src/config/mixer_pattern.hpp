// What each layer has, written as a pattern over the depth: "deltanet*3,attention" is three times deltanet, then
// attention, and so on; "attention:512*5,attention:0" is five layers of attention with a sliding window of 512 tokens,
// then one that sees everything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/model_config.hpp"

namespace longspan {

// The entries of the option `key`, one a layer: NAME or NAME*COUNT, separated by commas, repeated until `layers` are
// there; the last repetition may be cut short. UserError where the pattern is malformed or longer than the depth.
std::vector<std::string> expand_pattern(const std::string& key, const std::string& pattern, std::int64_t layers);

// A pattern that expands to these, one a layer: the name alone where all are the same.
std::string pattern_of(const std::vector<std::string>& names);

struct LayerMixer {
  std::string kind;
  std::int64_t window = 0;  // of attention: its own (attention:512) or model.window; 0: unlimited
  bool operator==(const LayerMixer&) const = default;
};

// The token mixer of every layer, by model.mixers. UserError where that is malformed.
std::vector<LayerMixer> layer_mixers(const ModelConfig& model);

}  // namespace longspan
