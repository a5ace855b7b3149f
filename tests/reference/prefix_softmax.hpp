// Softmax averages over growing prefixes, each from scratch, in double: the naive twin of ops/recurrence/
// prefix_softmax. One sequence, one head; row-major.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace longspan::reference {

// scores [T], v [T, V], starts: rows at which a document starts.
inline std::vector<double> prefix_softmax(const std::vector<double>& scores, const std::vector<double>& v,
                                          std::int64_t V, const std::vector<std::int64_t>& starts = {}) {
  const auto T = static_cast<std::int64_t>(scores.size());
  std::vector<double> o(T * V, 0.0);
  std::int64_t first = 0;
  for (std::int64_t t = 0; t < T; ++t) {
    if (std::find(starts.begin(), starts.end(), t) != starts.end()) first = t;
    const double largest = *std::max_element(scores.begin() + first, scores.begin() + t + 1);
    double sum = 0;
    for (std::int64_t i = first; i <= t; ++i) {
      const double weight = std::exp(scores[i] - largest);
      sum += weight;
      for (std::int64_t j = 0; j < V; ++j) o[t * V + j] += weight * v[i * V + j];
    }
    for (std::int64_t j = 0; j < V; ++j) o[t * V + j] /= sum;
  }
  return o;
}

}  // namespace longspan::reference
