// Floating-point operations of a model in closed form.
#pragma once

#include <cstdint>
#include <vector>

#include "config/model_config.hpp"

namespace longspan {

// Of the forward pass of one sequence; a multiplication and an addition are two. The embedding is a look-up: none.
struct ForwardFlops {
  std::vector<double> layers;  // [layer]
  double head = 0;
};

ForwardFlops forward_flops(const ModelConfig& model, std::int64_t vocabulary, std::int64_t sequence_length);

}  // namespace longspan
