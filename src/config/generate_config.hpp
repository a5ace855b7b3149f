// How text is generated from a checkpoint.
#pragma once

#include <cstdint>
#include <string>

#include "config/options.hpp"

namespace longspan {

struct GenerateConfig {
  std::string prompt;         // text that is continued; empty: the start of a document
  std::int64_t tokens = 256;  // at most, a sample
  std::int64_t samples = 1;
  double temperature = 0.8;  // 0: always the likeliest token
  std::int64_t top_k = 0;    // sample among the k likeliest; 0: all
  double top_p = 1.0;        // sample among the likeliest that hold this share of probability
  std::int64_t seed = 1;
};

void bind(Options& options, GenerateConfig& config);
void check(const GenerateConfig& config);

}  // namespace longspan
