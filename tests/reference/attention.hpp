// Attention over whole sequences with a full T x T matrix, in double: the naive twin of ops/attention.hpp.
// Row i of a sequence is at position i. All matrices are row-major in one vector: q, o [B, H, T, K], k, v [B, Hk, T,
// K].
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/random.hpp"

namespace longspan::reference {

struct Attention {
  std::int64_t B = 1, H = 1, Hk = 1, T = 1, K = 1;
  double scale = 1;
  std::vector<std::int32_t> begin, end;  // visible keys of each row, [B, T]
  std::vector<double> slopes;            // [H], or empty
  double dropout = 0;
  std::uint64_t dropout_key = 0;
  std::vector<double> q, k, v;

  std::int64_t key_head(std::int64_t b, std::int64_t h) const { return b * Hk + h / (H / Hk); }

  double score(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
    double s = 0;
    for (std::int64_t c = 0; c < K; ++c) s += q[((b * H + h) * T + i) * K + c] * k[(key_head(b, h) * T + j) * K + c];
    return scale * s - (slopes.empty() ? 0 : slopes[h] * std::abs(static_cast<double>(i - j)));
  }

  // What dropout multiplies p_ij by.
  double kept(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
    if (dropout == 0) return 1;
    const auto pair = [](std::int64_t high, std::int64_t low) {
      return static_cast<std::uint64_t>(high) << 32 | static_cast<std::uint64_t>(low);
    };
    return uniform_float(dropout_key, pair(i, j), pair(b, h)) >= static_cast<float>(dropout) ? 1 / (1 - dropout) : 0;
  }

  struct Output {
    std::vector<double> o, lse;  // lse [B, H, T]
  };
  Output forward() const {
    Output out{std::vector<double>(q.size(), 0.0), std::vector<double>(B * H * T, -INFINITY)};
    for (std::int64_t b = 0; b < B; ++b) {
      for (std::int64_t h = 0; h < H; ++h) {
        for (std::int64_t i = 0; i < T; ++i) forward_row(b, h, i, out);
      }
    }
    return out;
  }

  struct Gradients {
    std::vector<double> dq, dk, dv;
  };
  Gradients backward(const Output& out, const std::vector<double>& dout) const {
    Gradients grad{std::vector<double>(q.size(), 0.0), std::vector<double>(k.size(), 0.0),
                   std::vector<double>(v.size(), 0.0)};
    for (std::int64_t b = 0; b < B; ++b) {
      for (std::int64_t h = 0; h < H; ++h) {
        for (std::int64_t i = 0; i < T; ++i) backward_row(b, h, i, out, dout, grad);
      }
    }
    return grad;
  }

 private:
  std::int64_t row(std::int64_t b, std::int64_t h, std::int64_t i) const { return (b * H + h) * T + i; }

  void forward_row(std::int64_t b, std::int64_t h, std::int64_t i, Output& out) const {
    double m = -INFINITY, l = 0;
    for (auto j = begin[b * T + i]; j < end[b * T + i]; ++j) m = std::max(m, score(b, h, i, j));
    for (auto j = begin[b * T + i]; j < end[b * T + i]; ++j) l += std::exp(score(b, h, i, j) - m);
    if (l == 0) return;
    out.lse[row(b, h, i)] = m + std::log(l);
    for (auto j = begin[b * T + i]; j < end[b * T + i]; ++j) {
      const double p = std::exp(score(b, h, i, j) - m) / l * kept(b, h, i, j);
      for (std::int64_t c = 0; c < K; ++c) {
        out.o[row(b, h, i) * K + c] += p * v[(key_head(b, h) * T + j) * K + c];
      }
    }
  }

  void backward_row(std::int64_t b, std::int64_t h, std::int64_t i, const Output& out, const std::vector<double>& dout,
                    Gradients& grad) const {
    const std::int64_t r = row(b, h, i) * K;
    double delta = 0;
    for (std::int64_t c = 0; c < K; ++c) delta += out.o[r + c] * dout[r + c];
    for (auto j = begin[b * T + i]; j < end[b * T + i]; ++j) {
      const std::int64_t key = (key_head(b, h) * T + j) * K;
      const double p = std::exp(score(b, h, i, j) - out.lse[row(b, h, i)]), z = kept(b, h, i, j);
      double dp = 0;
      for (std::int64_t c = 0; c < K; ++c) dp += dout[r + c] * v[key + c];
      const double ds = scale * p * (z * dp - delta);
      for (std::int64_t c = 0; c < K; ++c) {
        grad.dv[key + c] += p * z * dout[r + c];
        grad.dq[r + c] += ds * k[key + c];
        grad.dk[key + c] += ds * q[r + c];
      }
    }
  }
};

}  // namespace longspan::reference
