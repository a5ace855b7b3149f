// Naive twin of ops/cross_entropy.hpp, in double: logits [N, V], rows with target < 0 are ignored.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace longspan::reference {

struct CrossEntropy {
  std::int64_t N = 0, V = 0;
  std::vector<double> logits;
  std::vector<std::int32_t> target;

  double lse(std::int64_t n) const {
    double largest = -INFINITY, sum = 0;
    for (std::int64_t v = 0; v < V; ++v) largest = std::max(largest, logits[n * V + v]);
    for (std::int64_t v = 0; v < V; ++v) sum += std::exp(logits[n * V + v] - largest);
    return largest + std::log(sum);
  }
  double loss(std::int64_t n) const { return target[n] < 0 ? 0 : lse(n) - logits[n * V + target[n]]; }
  double total() const {
    double sum = 0;
    for (std::int64_t n = 0; n < N; ++n) sum += loss(n);
    return sum;
  }
  // Of factor * total().
  std::vector<double> gradient(double factor) const {
    std::vector<double> d(logits.size(), 0.0);
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t v = 0; v < V && target[n] >= 0; ++v) {
        d[n * V + v] = factor * (std::exp(logits[n * V + v] - lse(n)) - (v == target[n] ? 1 : 0));
      }
    }
    return d;
  }
};

}  // namespace longspan::reference
