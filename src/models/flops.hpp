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

ForwardFlops forward_flops(const DecoderSettings& settings, std::int64_t sequence_length);

}  // namespace longspan
