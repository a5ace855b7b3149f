// Naive twins of ops/heads.hpp, in double: x [B, T, H*K] to [B, H, T, K], every pair rotated by position *
// base^(-2j/K).
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace longspan::reference {

struct Heads {
  std::int64_t B = 1, T = 1, H = 1, K = 1;
  std::vector<std::int32_t> positions;  // [T]; empty: no rotation
  double base = 10000;

  std::size_t in_rows(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t j) const {
    return static_cast<std::size_t>(((b * T + t) * H + h) * K + j);
  }
  std::size_t in_heads(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t j) const {
    return static_cast<std::size_t>(((b * H + h) * T + t) * K + j);
  }
  double angle(std::int64_t t, std::int64_t j) const {
    return positions.empty() ? 0 : positions[t] * std::pow(base, -2.0 * (j % (K / 2)) / static_cast<double>(K));
  }

  std::vector<double> split(const std::vector<double>& x) const {
    std::vector<double> y(x.size());
    each([&](std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t j) {
      const double a = angle(t, j), other = positions.empty() ? 0 : x[in_rows(b, t, h, (j + K / 2) % K)];
      y[in_heads(b, t, h, j)] = x[in_rows(b, t, h, j)] * std::cos(a) + (j < K / 2 ? -1 : 1) * other * std::sin(a);
    });
    return y;
  }
  std::vector<double> merge(const std::vector<double>& heads) const {
    std::vector<double> x(heads.size());
    each([&](std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t j) {
      const double a = angle(t, j), other = positions.empty() ? 0 : heads[in_heads(b, t, h, (j + K / 2) % K)];
      x[in_rows(b, t, h, j)] = heads[in_heads(b, t, h, j)] * std::cos(a) + (j < K / 2 ? 1 : -1) * other * std::sin(a);
    });
    return x;
  }

 private:
  template <class F>
  void each(const F& f) const {
    for (std::int64_t b = 0; b < B; ++b) {
      for (std::int64_t t = 0; t < T; ++t) {
        for (std::int64_t h = 0; h < H; ++h) {
          for (std::int64_t j = 0; j < K; ++j) f(b, t, h, j);
        }
      }
    }
  }
};

}  // namespace longspan::reference
