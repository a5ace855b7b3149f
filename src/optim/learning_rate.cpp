#include "optim/learning_rate.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace longspan {

double learning_rate(const OptimizerConfig& config, std::int64_t step, std::int64_t steps) {
  const double peak = config.learning_rate;
  if (step < config.warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(config.warmup);
  if (config.schedule == "constant") return peak;
  const auto length = static_cast<double>(std::max<std::int64_t>(1, steps - 1 - config.warmup));
  const double progress = std::min(1.0, static_cast<double>(step - config.warmup) / length);
  const double shape = config.schedule == "linear" ? 1 - progress : 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return peak * (config.final_fraction + (1 - config.final_fraction) * shape);
}

}  // namespace longspan
