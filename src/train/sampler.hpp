// Draws a token from logits: temperature, then the k likeliest (Fan et al. 2018), then the likeliest that hold
// probability p (Holtzman et al. 2020).
#pragma once

#include <cstdint>
#include <vector>

#include "config/generate_config.hpp"

namespace longspan {

// `uniform` in [0, 1) decides; the same logits and number give the same token.
std::int32_t sample_token(const std::vector<double>& logits, const GenerateConfig& config, double uniform);

}  // namespace longspan
