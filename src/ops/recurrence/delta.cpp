#include "ops/recurrence/delta.hpp"

#include "ops/elementwise.hpp"
#include "ops/recurrence/running_columns.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

Tensor like(const Tensor& t) { return Tensor::empty(t.shape(), t.dtype(), Memory::workspace, "delta rule"); }

// y_t = or += factor beta_t x_t.
template <class A>
void scale_kernel(const Tensor& beta, double factor, const Tensor& x, const Tensor& y, bool accumulate) {
  const A *const b = beta.data<A>(), *const in = x.data<A>();
  A* const out = y.data<A>();
  const std::int64_t W = x.dim(-1);
  const A f = A(factor);
  for_rows(
      "longspan::ops::delta_scale_rows", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const A s = f * b[r];
        for_columns(team, static_cast<int>(W), [&](int c) {
          const A value = s * in[r * W + c];
          out[r * W + c] = accumulate ? out[r * W + c] + value : value;
        });
      });
}

// A = (I + diag(beta) E)^-1 by forward substitution: row t is e_t - beta_t sum_{s < t} E_ts (row s).
template <class A>
void invert_kernel(const Tensor& beta, const Tensor& scores, const Tensor& inverse) {
  const A *const b = beta.data<A>(), *const in = scores.data<A>();
  A* const out = inverse.data<A>();
  const std::int64_t C = scores.dim(-1);
  for_rows(
      "longspan::ops::delta_invert", scores.rows() / C, KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        A* const rows = out + chunk * C * C;
        for_column_blocks(C, [&](std::int64_t j, int count) {
          for (std::int64_t t = 0; t < C; ++t) {
            const A* const e = in + (chunk * C + t) * C;
            const auto at = static_cast<int>(t - j);
            RunningColumns<A> row;
            for_columns(team, count, [&](int c) { row.e[c] = c == at ? A(1) : A(0); });
            for (std::int64_t s = j; s < t; ++s) {
              const A f = b[chunk * C + t] * e[s];
              for_columns(team, count, [&](int c) { row.e[c] -= f * rows[s * C + j + c]; });
            }
            for_columns(team, count, [&](int c) { rows[t * C + j + c] = row.e[c]; });
          }
        });
      });
}

// dbeta_t = sum_s dL_ts E_ts and, for b, row sums less column sums of beta_t dL_ts E_ts. dL = -below.
template <class A>
void scores_gradient_kernel(const DeltaChunks& d, const Tensor& below, const Tensor& dbeta, const Tensor& dsums) {
  const A *const b = d.beta.data<A>(), *const e = d.scores.data<A>(), *const g = below.data<A>();
  A* const out = dbeta.data<A>();
  A* const sums = dsums.data<A>();
  const std::int64_t C = d.scores.dim(-1);
  for_rows(
      "longspan::ops::delta_scores_gradient", d.scores.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t chunk = row / C * C, t = row % C;
        const A across =
            sum_columns<A>(team, static_cast<int>(C), [&](int s) { return g[row * C + s] * e[row * C + s]; });
        const A down = sum_columns<A>(team, static_cast<int>(C), [&](int u) {
          const std::int64_t at = (chunk + u) * C + t;
          return b[chunk + u] * g[at] * e[at];
        });
        for_columns(team, 1, [&](int) {
          out[row] = -across;
          sums[row] += down - b[row] * across;
        });
      });
}

// dbeta_t += factor x_t y_t (over the columns)
template <class A>
void add_dots_kernel(const Tensor& x, const Tensor& y, double factor, const Tensor& dbeta) {
  const A *const a = x.data<A>(), *const b = y.data<A>();
  A* const out = dbeta.data<A>();
  const std::int64_t W = x.dim(-1);
  const A f = A(factor);
  for_rows(
      "longspan::ops::delta_dots", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const A sum = sum_columns<A>(team, static_cast<int>(W), [&](int c) { return a[r * W + c] * b[r * W + c]; });
        for_columns(team, 1, [&](int) { out[r] += f * sum; });
      });
}

void scale_rows(const Tensor& beta, double factor, const Tensor& x, const Tensor& y, bool accumulate = false) {
  dispatch_accumulation("delta", x.dtype(), [&]<class A>() { scale_kernel<A>(beta, factor, x, y, accumulate); });
}
void add_dots(const Tensor& x, const Tensor& y, double factor, const Tensor& dbeta) {
  dispatch_accumulation("delta", x.dtype(), [&]<class A>() { add_dots_kernel<A>(x, y, factor, dbeta); });
}

}  // namespace

DeltaChunks make_delta_chunks(const Decays& decays, const Tensor& beta, const Tensor& k, const Tensor& v) {
  const std::int64_t C = decays.size.chunk;
  DeltaChunks d{.beta = beta, .keys = like(k), .values = like(v), .scores = {}, .inverse = {}};
  d.scores = Tensor::empty({k.dim(0), k.dim(1), C, C}, k.dtype(), Memory::workspace, "delta rule");
  d.inverse = like(d.scores);
  multiply(matrices(k), matrices(k).t(), d.scores);
  decay_scores(decays, 1, true, d.scores);
  dispatch_accumulation("delta", k.dtype(), [&]<class A>() { invert_kernel<A>(beta, d.scores, d.inverse); });
  from_start(decays, -1, k, d.keys);
  scale_rows(beta, 1, d.keys, d.keys);
  scale_rows(beta, 1, v, d.values);
  return d;
}

// With (I + L) u = r, r = V + M S: dr = A^T du = y, dL = -y u^T below the diagonal.
void delta_backward(const Decays& decays, const DeltaChunks& delta, const Tensor& k, const Tensor& v, const Tensor& u,
                    const Tensor& starts, const Tensor& y, const Tensor& dk, const Tensor& dv, const Tensor& dbeta,
                    const Tensor& dsums) {
  const Tensor dkeys = like(k), faded = like(k), below = like(delta.scores);
  multiply(matrices(y), matrices(starts).t(), dkeys);
  multiply(matrices(y), matrices(u).t(), below);

  // The scores: L = beta E, whose mask also cuts `below`.
  dispatch_accumulation("delta", k.dtype(), [&]<class A>() { scores_gradient_kernel<A>(delta, below, dbeta, dsums); });
  decay_scores(decays, -1, true, below);
  scale_rows(delta.beta, 1, below, below);
  multiply(matrices(below), matrices(k), dk, true);
  multiply(matrices(below).t(), matrices(k), dk, true);

  // keys = -beta e^{b} k.
  add_products(decays, delta.keys, dkeys, dsums);
  from_start(decays, -1, dkeys, faded);
  add_dots(faded, k, 1, dbeta);
  scale_rows(delta.beta, 1, faded, dk, true);

  // values = beta v.
  add_dots(y, v, 1, dbeta);
  scale_rows(delta.beta, 1, y, dv);
}

}  // namespace longspan::ops
