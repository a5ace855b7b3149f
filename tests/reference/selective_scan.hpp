// The selective scan token by token, in double: the naive twin of ops/recurrence/selective_scan. One sequence;
// row-major.
//   h[n, c] = exp(-exp(log_rate[c, n]) step_t[c]) h[n, c] + step_t[c] B_t[n] x_t[c]
//   y_t[c] = sum_n C_t[n] h[n, c] + skip[c] x_t[c]
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace longspan::reference {

struct SelectiveScan {
  std::int64_t T = 1, D = 1, N = 1;
  std::vector<double> x, step, write, read, log_rate, skip;  // [T, D], [T, D], [T, N], [T, N], [D, N], [D]
  std::vector<std::int64_t> starts = {};                     // rows at which the state is forgotten
  std::vector<double> state = {};                            // that enters, [N, D]; afterwards the one that leaves

  std::vector<double> forward() {
    std::vector<double> y(T * D, 0.0);
    state.resize(N * D, 0.0);
    for (std::int64_t t = 0; t < T; ++t) {
      for (const std::int64_t start : starts) {
        if (start == t) state.assign(N * D, 0.0);
      }
      for (std::int64_t c = 0; c < D; ++c) {
        const double d = step[t * D + c];
        y[t * D + c] = skip[c] * x[t * D + c];
        for (std::int64_t n = 0; n < N; ++n) {
          double& h = state[n * D + c];
          h = std::exp(-std::exp(log_rate[c * N + n]) * d) * h + d * write[t * N + n] * x[t * D + c];
          y[t * D + c] += read[t * N + n] * h;
        }
      }
    }
    return y;
  }
};

}  // namespace longspan::reference
