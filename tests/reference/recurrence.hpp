// Linear recurrences token by token, in double: the naive twin of ops/recurrence. One sequence, one head; row-major.
//   S = a_t S,  w = v_t or beta_t (v_t - S^T k_t),  S += k_t w^T,  o_t = scale S^T q_t
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace longspan::reference {

struct Recurrence {
  std::int64_t T = 1, K = 1, V = 1, G = 1;
  double scale = 1;
  std::vector<double> q, k, v, log_decay;  // [T, K], [T, K], [T, V], [T, G]
  std::vector<double> beta = {};           // [T]; empty without the delta rule
  std::vector<std::int64_t> starts = {};   // rows at which the state is forgotten
  std::vector<double> state = {};          // that enters, [K, V]; afterwards the one that leaves

  std::vector<double> forward() {
    std::vector<double> o(T * V, 0.0);
    state.resize(K * V, 0.0);
    for (std::int64_t t = 0; t < T; ++t) {
      for (const std::int64_t start : starts) {
        if (start == t) state.assign(K * V, 0.0);
      }
      for (std::int64_t i = 0; i < K; ++i) {
        for (std::int64_t j = 0; j < V; ++j) state[i * V + j] *= std::exp(log_decay[t * G + (G == 1 ? 0 : i)]);
      }
      for (std::int64_t j = 0; j < V; ++j) {
        double w = v[t * V + j];
        if (!beta.empty()) {
          for (std::int64_t i = 0; i < K; ++i) w -= state[i * V + j] * k[t * K + i];
          w *= beta[t];
        }
        for (std::int64_t i = 0; i < K; ++i) state[i * V + j] += k[t * K + i] * w;
        for (std::int64_t i = 0; i < K; ++i) o[t * V + j] += scale * q[t * K + i] * state[i * V + j];
      }
    }
    return o;
  }
};

}  // namespace longspan::reference
