// Floating-point operations of a model in closed form.
#pragma once

#include <cstdint>
#include <vector>

#include "models/decoder_settings.hpp"

namespace longspan {

// Of the forward pass of one sequence; a multiplication and an addition are two. The embedding is a look-up: none.
struct ForwardFlops {
  std::vector<double> layers;  // [layer]
  double head = 0;
};

// What backward computes again of one sequence by settings.recompute. Norms and non-linearities count as nothing.
double recomputed_flops(const DecoderSettings& settings, std::int64_t sequence_length);

ForwardFlops forward_flops(const DecoderSettings& settings, std::int64_t sequence_length);

}  // namespace longspan
