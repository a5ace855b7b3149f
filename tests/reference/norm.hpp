// Naive twins of ops/norm.hpp, in double: rows of x [N, D].
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace longspan::reference {

struct Norm {
  std::int64_t N = 0, D = 0;
  bool centred = true;  // layer_norm; false: rms_norm, which has no mean and no bias
  double epsilon = 1e-5;
  std::vector<double> x, weight, bias;

  double mean(std::int64_t n) const {
    double sum = 0;
    for (std::int64_t d = 0; d < D; ++d) sum += x[n * D + d];
    return centred ? sum / static_cast<double>(D) : 0;
  }
  double rstd(std::int64_t n) const {
    const double m = mean(n);
    double sum = 0;
    for (std::int64_t d = 0; d < D; ++d) sum += (x[n * D + d] - m) * (x[n * D + d] - m);
    return 1 / std::sqrt(sum / static_cast<double>(D) + epsilon);
  }

  std::vector<double> forward() const {
    std::vector<double> y(x.size());
    for (std::int64_t n = 0; n < N; ++n) {
      const double m = mean(n), s = rstd(n);
      for (std::int64_t d = 0; d < D; ++d) y[n * D + d] = (x[n * D + d] - m) * s * weight[d] + (centred ? bias[d] : 0);
    }
    return y;
  }

  struct Gradients {
    std::vector<double> dx, dweight, dbias;
  };
  Gradients backward(const std::vector<double>& dy) const {
    Gradients grad{std::vector<double>(x.size()), std::vector<double>(D, 0.0), std::vector<double>(D, 0.0)};
    for (std::int64_t n = 0; n < N; ++n) {
      const double m = mean(n), s = rstd(n);
      double g = 0, gn = 0;
      for (std::int64_t d = 0; d < D; ++d) {
        const double value = dy[n * D + d], normed = (x[n * D + d] - m) * s;
        grad.dweight[d] += value * normed;
        grad.dbias[d] += value;
        g += centred ? value * weight[d] / static_cast<double>(D) : 0;
        gn += value * weight[d] * normed / static_cast<double>(D);
      }
      for (std::int64_t d = 0; d < D; ++d) {
        grad.dx[n * D + d] = s * (dy[n * D + d] * weight[d] - g - (x[n * D + d] - m) * s * gn);
      }
    }
    return grad;
  }
};

}  // namespace longspan::reference
