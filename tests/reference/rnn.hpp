// Recurrent cells step by step, in double: the naive twin of ops/rnn. One sequence, one head.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace longspan::reference {

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline double log_sigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }

struct Rnn {
  std::string cell;  // elman, gru, lstm, slstm
  std::int64_t T = 1, K = 1;
  std::vector<double> x, weight, bias;         // [T, inputs, K], [recurrent, K (to), K (from)], [gates, K]
  std::vector<std::int64_t> starts = {};       // steps before which states are forgotten
  std::vector<double> c = {}, n = {}, m = {};  // of the last step

  std::int64_t recurrent() const { return static_cast<std::int64_t>(weight.size()) / (K * K); }
  std::int64_t inputs() const { return static_cast<std::int64_t>(x.size()) / (T * K); }

  double from_input(std::int64_t t, std::int64_t gate, std::int64_t k) const {
    return x[(t * inputs() + gate) * K + k];
  }
  double from_states(const std::vector<double>& h, std::int64_t gate, std::int64_t k) const {
    double sum = bias[gate * K + k];
    for (std::int64_t j = 0; gate < recurrent() && j < K; ++j) sum += weight[(gate * K + k) * K + j] * h[j];
    return sum;
  }

  // h of every step, [T, K].
  std::vector<double> forward() {
    std::vector<double> all, h;
    for (std::int64_t t = 0; t < T; ++t) {
      if (t == 0 || std::count(starts.begin(), starts.end(), t) > 0) {
        h.assign(K, 0.0), c.assign(K, 0.0), n.assign(K, 0.0);
        m.assign(K, -std::numeric_limits<double>::infinity());
      }
      std::vector<double> next(K);
      for (std::int64_t k = 0; k < K; ++k) next[k] = step(t, k, h);
      h = next;
      all.insert(all.end(), h.begin(), h.end());
    }
    return all;
  }

  double step(std::int64_t t, std::int64_t k, const std::vector<double>& h) {
    const auto whole = [&](std::int64_t gate) { return from_states(h, gate, k) + from_input(t, gate, k); };
    if (cell == "elman") return std::tanh(whole(0));
    if (cell == "gru") {
      const double r = sigmoid(from_states(h, 1, k) + from_input(t, 0, k));
      const double z = sigmoid(from_states(h, 2, k) + from_input(t, 1, k));
      const double candidate = from_states(h, 3, k) + from_input(t, 2, k);
      return z * h[k] + (1 - z) * std::tanh(candidate + r * from_states(h, 0, k));
    }
    const double i = whole(0), f = whole(1), z = std::tanh(whole(2)), o = sigmoid(whole(3));
    if (cell == "lstm") {
      c[k] = sigmoid(f) * c[k] + sigmoid(i) * z;
      return o * std::tanh(c[k]);
    }
    const double carried = log_sigmoid(f) + m[k], largest = std::max(i, carried);
    c[k] = std::exp(carried - largest) * c[k] + std::exp(i - largest) * z;
    n[k] = std::exp(carried - largest) * n[k] + std::exp(i - largest);
    m[k] = largest;
    return o * c[k] / n[k];
  }
};

}  // namespace longspan::reference
