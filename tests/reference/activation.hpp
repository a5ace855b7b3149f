// Naive twins of ops/activation.hpp, in double.
#pragma once

#include <cmath>

namespace longspan::reference {

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline double gelu(double x) {
  const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(u));
}
inline double gelu_derivative(double x) {
  const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x), t = std::tanh(u);
  const double du = std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du;
}

inline double silu(double x) { return x * sigmoid(x); }
inline double silu_derivative(double x) { return sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)); }

}  // namespace longspan::reference
