// Linformer's attention by naive loops in float64, one sequence and head: o = softmax(scale q (E k)^T) (F v), and the
// gradients of sum(g o). q, k, v, g [T, K], e, f [Kp, T], all row-major.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace longspan::reference {

struct LinformerResult {
  std::vector<double> kbar, o, dq, dk, dv, de, df;
};

inline LinformerResult linformer(std::size_t T, std::size_t Kp, std::size_t K, double scale,
                                 const std::vector<double>& q, const std::vector<double>& k,
                                 const std::vector<double>& v, const std::vector<double>& e,
                                 const std::vector<double>& f, const std::vector<double>& g) {
  LinformerResult r;
  r.kbar.assign(Kp * K, 0);
  r.o = r.dq = r.dk = r.dv = std::vector<double>(T * K, 0);
  r.de = r.df = std::vector<double>(Kp * T, 0);
  std::vector<double> vbar(Kp * K, 0), dkbar(Kp * K, 0), dvbar(Kp * K, 0);
  for (std::size_t i = 0; i < Kp; ++i) {
    for (std::size_t t = 0; t < T; ++t) {
      for (std::size_t c = 0; c < K; ++c) {
        r.kbar[i * K + c] += e[i * T + t] * k[t * K + c];
        vbar[i * K + c] += f[i * T + t] * v[t * K + c];
      }
    }
  }
  for (std::size_t t = 0; t < T; ++t) {
    std::vector<double> p(Kp, 0), dp(Kp, 0);
    double sum = 0, mean = 0;
    for (std::size_t i = 0; i < Kp; ++i) {
      for (std::size_t c = 0; c < K; ++c) p[i] += scale * q[t * K + c] * r.kbar[i * K + c];
      p[i] = std::exp(p[i]);
      sum += p[i];
    }
    for (std::size_t i = 0; i < Kp; ++i) {
      p[i] /= sum;
      for (std::size_t c = 0; c < K; ++c) {
        r.o[t * K + c] += p[i] * vbar[i * K + c];
        dvbar[i * K + c] += p[i] * g[t * K + c];
        dp[i] += g[t * K + c] * vbar[i * K + c];
      }
      mean += p[i] * dp[i];
    }
    for (std::size_t i = 0; i < Kp; ++i) {
      const double ds = scale * p[i] * (dp[i] - mean);
      for (std::size_t c = 0; c < K; ++c) {
        r.dq[t * K + c] += ds * r.kbar[i * K + c];
        dkbar[i * K + c] += ds * q[t * K + c];
      }
    }
  }
  for (std::size_t i = 0; i < Kp; ++i) {
    for (std::size_t t = 0; t < T; ++t) {
      for (std::size_t c = 0; c < K; ++c) {
        r.dk[t * K + c] += e[i * T + t] * dkbar[i * K + c];
        r.dv[t * K + c] += f[i * T + t] * dvbar[i * K + c];
        r.de[i * T + t] += dkbar[i * K + c] * k[t * K + c];
        r.df[i * T + t] += dvbar[i * K + c] * v[t * K + c];
      }
    }
  }
  return r;
}

}  // namespace longspan::reference
