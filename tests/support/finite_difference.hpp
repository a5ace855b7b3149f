// The gradient of a scalar function by central differences: (f(x + h e_i) - f(x - h e_i)) / 2h, error O(h^2).
#pragma once

#include "support/random_values.hpp"

namespace longspan::testing {

template <class Loss>
Values numeric_gradient(Loss&& loss, Values x, double h = 1e-5) {
  Values gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + h;
    const double above = loss(x);
    x[i] = at - h;
    const double below = loss(x);
    x[i] = at;
    gradient[i] = (above - below) / (2 * h);
  }
  return gradient;
}

inline double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace longspan::testing
