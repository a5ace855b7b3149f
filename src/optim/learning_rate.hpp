// Learning rate by step: linear warm-up, then constant, linear or cosine decay to a fraction of the peak.
#pragma once

#include <cstdint>

#include "config/run_config.hpp"

namespace longspan {

// `step` counts from 0; `steps` is the length of the run.
double learning_rate(const OptimizerConfig& config, std::int64_t step, std::int64_t steps);

}  // namespace longspan
