#include "ops/recurrence/scores.hpp"

#include <algorithm>

#include "ops/math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

// Rows [first, first + count) of every chunk of x [N, R, C, W].
MatrixRef chunk_rows(const Tensor& x, std::int64_t first, std::int64_t count) {
  MatrixRef m = matrices(x);
  m.data = static_cast<char*>(m.data) + first * m.cols * static_cast<std::int64_t>(size_of(m.dtype));
  m.rows = count;
  return m;
}
// The block of p with rows [first, first + count) and columns [0, first).
MatrixRef earlier_block(const Tensor& p, std::int64_t first, std::int64_t count) {
  MatrixRef m = chunk_rows(p, first, count);
  m.cols = first;
  return m;
}

// y [N, R, count, K] = or += e^{-|b_t - b_m|} x_t for the rows t = first, ... of x [N, R, C, K], or, with `to_chunk`,
// from such rows x back into those of y [N, R, C, K].
template <class A>
void relative_kernel(const Decays& d, std::int64_t first, std::int64_t count, std::int64_t m, const Tensor& x,
                     const Tensor& y, bool to_chunk) {
  const double* const sums = d.sums.data<double>();
  const A* const in = x.data<A>();
  A* const out = y.data<A>();
  const std::int64_t C = d.size.chunk, K = x.dim(-1);
  for_rows(
      "longspan::ops::relative_rows", d.size.count() * d.size.rows() * count,
      KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t chunk = row / count, at = chunk * C + first + row % count;
        const double *const b = sums + at * K, *const reference = sums + (chunk * C + m) * K;
        const bool later = first + row % count >= m;
        if (to_chunk) {
          for_columns(team, static_cast<int>(K), [&](int c) {
            const double e = later ? b[c] - reference[c] : reference[c] - b[c];
            out[at * K + c] += math::exp(A(e)) * in[row * K + c];
          });
        } else {
          for_columns(team, static_cast<int>(K), [&](int c) {
            const double e = later ? b[c] - reference[c] : reference[c] - b[c];
            out[row * K + c] = math::exp(A(e)) * in[at * K + c];
          });
        }
      });
}

// Pairs inside a sub-chunk.
template <class A>
void diagonal_kernel(const Decays& d, const Tensor& q, const Tensor& k, const Tensor& p) {
  const double* const sums = d.sums.data<double>();
  const A *const queries = q.data<A>(), *const keys = k.data<A>();
  A* const out = p.data<A>();
  const std::int64_t C = d.size.chunk, K = q.dim(-1);
  for_rows(
      "longspan::ops::diagonal_scores", q.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t i = row % C, from = i / kSubChunk * kSubChunk;
        for (std::int64_t s = from; s <= i; ++s) {
          const std::int64_t t = row * K, u = (row - i + s) * K;
          const A score = sum_columns<A>(team, static_cast<int>(K), [&](int c) {
            return queries[t + c] * keys[u + c] * math::exp(A(sums[t + c] - sums[u + c]));
          });
          for_columns(team, 1, [&](int) { out[row * C + s] = score; });
        }
      });
}

template <class A>
void diagonal_backward_kernel(const Decays& d, const Tensor& q, const Tensor& k, const Tensor& dp, const Tensor& dq,
                              const Tensor& dk) {
  const double* const sums = d.sums.data<double>();
  const A *const queries = q.data<A>(), *const keys = k.data<A>(), *const grad = dp.data<A>();
  A *const dqueries = dq.data<A>(), *const dkeys = dk.data<A>();
  const std::int64_t C = d.size.chunk, K = q.dim(-1), parts = count_blocks(C, kSubChunk);
  for_rows(
      "longspan::ops::diagonal_scores_backward", d.size.count() * d.size.rows() * parts,
      KOKKOS_LAMBDA(const Team& team, std::int64_t part) {
        const std::int64_t chunk = part / parts, first = part % parts * kSubChunk;
        const std::int64_t end = first + kSubChunk < C ? first + kSubChunk : C;
        for (std::int64_t i = first; i < end; ++i) {
          for (std::int64_t s = first; s <= i; ++s) {
            const std::int64_t t = (chunk * C + i) * K, u = (chunk * C + s) * K;
            const A g = grad[(chunk * C + i) * C + s];
            for_columns(team, static_cast<int>(K), [&](int c) {
              const A e = g * math::exp(A(sums[t + c] - sums[u + c]));
              dqueries[t + c] += e * keys[u + c];
              dkeys[u + c] += e * queries[t + c];
            });
          }
        }
      });
}

Tensor room(const Tensor& q, std::int64_t rows) {
  return Tensor::empty({q.dim(0), q.dim(1), rows, q.dim(3)}, q.dtype(), Memory::workspace, "decayed rows");
}

// Sub-chunks that have earlier ones: f(first row, rows).
template <class F>
void for_later_parts(std::int64_t chunk, const F& f) {
  for (std::int64_t first = kSubChunk; first < chunk; first += kSubChunk) f(first, std::min(kSubChunk, chunk - first));
}

template <class A>
void channel_scores(const Decays& d, const Tensor& q, const Tensor& k, const Tensor& p) {
  diagonal_kernel<A>(d, q, k, p);
  const std::int64_t batch = d.size.count() * d.size.rows();
  for_later_parts(d.size.chunk, [&](std::int64_t first, std::int64_t count) {
    const Tensor queries = room(q, count), keys = room(k, first);
    relative_kernel<A>(d, first, count, first, q, queries, false);
    relative_kernel<A>(d, 0, first, first, k, keys, false);
    matmul(matrices(queries), matrices(keys).t(), earlier_block(p, first, count), {.batch = batch});
  });
}

template <class A>
void channel_scores_backward(const Decays& d, const Tensor& q, const Tensor& k, const Tensor& dp, const Tensor& dq,
                             const Tensor& dk) {
  diagonal_backward_kernel<A>(d, q, k, dp, dq, dk);
  for_later_parts(d.size.chunk, [&](std::int64_t first, std::int64_t count) {
    const Tensor queries = room(q, count), keys = room(k, first);
    relative_kernel<A>(d, first, count, first, q, queries, false);
    relative_kernel<A>(d, 0, first, first, k, keys, false);
    const Tensor dqueries = room(q, count), dkeys = room(k, first);
    multiply(earlier_block(dp, first, count), matrices(keys), dqueries);
    multiply(earlier_block(dp, first, count).t(), matrices(queries), dkeys);
    relative_kernel<A>(d, first, count, first, dqueries, dq, true);
    relative_kernel<A>(d, 0, first, first, dkeys, dk, true);
  });
}

}  // namespace

void decayed_scores(const Decays& decays, double factor, const Tensor& q, const Tensor& k, const Tensor& p) {
  const bool channels = decays.sums.dim(-1) > 1;
  if (channels) {
    dispatch_accumulation("decayed_scores", q.dtype(), [&]<class A>() { channel_scores<A>(decays, q, k, p); });
  } else {
    multiply(matrices(q), matrices(k).t(), p);
  }
  mask_scores(decays, factor, false, !channels, p);
}

void decayed_scores_backward(const Decays& decays, double factor, const Tensor& q, const Tensor& k, const Tensor& dp,
                             const Tensor& dq, const Tensor& dk) {
  const bool channels = decays.sums.dim(-1) > 1;
  mask_scores(decays, factor, false, !channels, dp);
  if (channels) {
    dispatch_accumulation("decayed_scores", q.dtype(),
                          [&]<class A>() { channel_scores_backward<A>(decays, q, k, dp, dq, dk); });
  } else {
    multiply(matrices(dp), matrices(k), dq, true);
    multiply(matrices(dp).t(), matrices(q), dk, true);
  }
}

}  // namespace longspan::ops
