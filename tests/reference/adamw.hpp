// Naive twin of ops/adamw.hpp, in double: one weight.
#pragma once

#include <cmath>

#include "ops/adamw.hpp"

namespace longspan::reference {

struct AdamwState {
  double w = 0, m = 0, v = 0;
};

inline AdamwState adamw(AdamwState s, double gradient, const ops::AdamwStep& step) {
  const double g = step.gradient_scale * gradient, t = static_cast<double>(step.step);
  s.m = step.beta1 * s.m + (1 - step.beta1) * g;
  s.v = step.beta2 * s.v + (1 - step.beta2) * g * g;
  const double m = s.m / (1 - std::pow(step.beta1, t)), v = s.v / (1 - std::pow(step.beta2, t));
  s.w -= step.rate * (m / (std::sqrt(v) + step.epsilon) + step.decay * s.w);
  return s;
}

}  // namespace longspan::reference
