// Complete rows of attention scores in double: the naive twin of ops/score_rows.hpp. Rows [B, H, n, T] for queries at
// query_position[i], column j for the key at key_position[j].
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/random.hpp"

namespace longspan::reference {

struct ScoreRows {
  std::int64_t B = 1, H = 1;
  std::vector<std::int64_t> query_position, key_position;  // [n], [T]
  std::vector<std::int32_t> begin, end;                    // visible positions of each query, [B, n]
  double scale = 1;
  std::vector<double> slopes;  // [H], or empty
  double dropout = 0;
  std::uint64_t dropout_key = 0;

  std::int64_t n() const { return static_cast<std::int64_t>(query_position.size()); }
  std::int64_t T() const { return static_cast<std::int64_t>(key_position.size()); }
  bool sees(std::int64_t row, std::int64_t j) const {
    const std::int64_t visible = row / n() / H * n() + row % n();
    return begin[visible] <= key_position[j] && key_position[j] < end[visible];
  }
  double kept(std::int64_t row, std::int64_t j) const {
    if (dropout == 0) return 1;
    const auto pair = [](std::int64_t high, std::int64_t low) {
      return static_cast<std::uint64_t>(high) << 32 | static_cast<std::uint64_t>(low);
    };
    const float drawn = uniform_float(dropout_key, pair(query_position[row % n()], key_position[j]),
                                      pair(row / n() / H, row / n() % H));
    return drawn >= static_cast<float>(dropout) ? 1 / (1 - dropout) : 0;
  }

  // p of the products s = q . k.
  std::vector<double> softmax(const std::vector<double>& s) const {
    std::vector<double> p(s.size(), 0.0);
    for (std::int64_t row = 0; row < B * H * n(); ++row) {
      double highest = -INFINITY, sum = 0;
      for (std::int64_t j = 0; j < T(); ++j) {
        if (sees(row, j)) highest = std::max(highest, score(s, row, j));
      }
      for (std::int64_t j = 0; j < T(); ++j) {
        if (sees(row, j)) sum += p[row * T() + j] = std::exp(score(s, row, j) - highest);
      }
      for (std::int64_t j = 0; j < T(); ++j) {
        if (sees(row, j)) p[row * T() + j] /= sum;
      }
    }
    return p;
  }

  // Gradient of s from that of the weights after dropout.
  std::vector<double> backward(const std::vector<double>& p, const std::vector<double>& dp) const {
    std::vector<double> ds(p.size(), 0.0);
    for (std::int64_t row = 0; row < B * H * n(); ++row) {
      double delta = 0;
      for (std::int64_t j = 0; j < T(); ++j) {
        if (sees(row, j)) delta += p[row * T() + j] * kept(row, j) * dp[row * T() + j];
      }
      for (std::int64_t j = 0; j < T(); ++j) {
        const std::int64_t at = row * T() + j;
        if (sees(row, j)) ds[at] = scale * p[at] * (kept(row, j) * dp[at] - delta);
      }
    }
    return ds;
  }

 private:
  double score(const std::vector<double>& s, std::int64_t row, std::int64_t j) const {
    const double slope = slopes.empty() ? 0 : slopes[row / n() % H];
    const double far = std::abs(static_cast<double>(query_position[row % n()] - key_position[j]));
    return scale * s[row * T() + j] - slope * far;
  }
};

}  // namespace longspan::reference
