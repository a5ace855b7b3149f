#include "ops/recurrence/scores.hpp"

#include <algorithm>

#include "ops/recurrence/running_columns.hpp"
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

KOKKOS_INLINE_FUNCTION std::int64_t end_of_part(std::int64_t first, std::int64_t chunk) {
  return first + kSubChunk < chunk ? first + kSubChunk : chunk;
}

// y_t = or += factor e^{b_t - b_m} x_t, m the first row of t's sub-chunk.
template <class A>
void from_part_start_kernel(const Decays& d, double factor, const Tensor& x, const Tensor& y, bool accumulate) {
  const A *const in = x.data<A>(), *const a = d.factors.data<A>();
  A* const out = y.data<A>();
  const std::int64_t C = d.size.chunk, K = x.dim(-1);
  const A f = A(factor);
  for_rows(
      "longspan::ops::decay_from_part_start", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        for_column_blocks(K, [&](std::int64_t j, int count) {
          RunningColumns<A> p;
          for (std::int64_t i = 0; i < C; ++i) {
            const std::int64_t at = (chunk * C + i) * K + j;
            if (i % kSubChunk == 0) {
              for_columns(team, count, [&](int c) { p.e[c] = f; });
            } else {
              for_columns(team, count, [&](int c) { p.e[c] *= a[at + c]; });
            }
            if (accumulate) {
              for_columns(team, count, [&](int c) { out[at + c] += p.e[c] * in[at + c]; });
            } else {
              for_columns(team, count, [&](int c) { out[at + c] = p.e[c] * in[at + c]; });
            }
          }
        });
      });
}

// The keys that sub-chunk `first` sees, y_s = e^{b_first - b_s} k_s for s < first, from those that the one before saw.
template <class A>
void decay_keys_kernel(const Decays& d, std::int64_t first, const Tensor& k, const Tensor& y) {
  const A *const in = k.data<A>(), *const factors = d.factors.data<A>();
  A* const out = y.data<A>();
  const std::int64_t C = d.size.chunk, K = k.dim(-1), before = first - kSubChunk;
  for_rows(
      "longspan::ops::decay_keys", d.size.count() * d.size.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        for_column_blocks(K, [&](std::int64_t j, int count) {
          const std::int64_t rows = chunk * C * K + j;
          const A* const a = factors + rows;
          RunningColumns<A> p;
          for_columns(team, count, [&](int c) { p.e[c] = a[first * K + c]; });
          for (std::int64_t s = first - 1; s > before; --s) {
            for_columns(team, count, [&](int c) {
              out[rows + s * K + c] = p.e[c] * in[rows + s * K + c];
              p.e[c] *= a[s * K + c];
            });
          }
          for_columns(team, count, [&](int c) { out[rows + before * K + c] = p.e[c] * in[rows + before * K + c]; });
          for (std::int64_t s = 0; s < before; ++s) {
            for_columns(team, count, [&](int c) { out[rows + s * K + c] *= p.e[c]; });
          }
        });
      });
}

// The adjoint: of gradients x of the keys that sub-chunk `first` sees, those of the rows just before it are done, y_s
// += e^{b_first - b_s} x_s; the others become gradients of what the sub-chunk before saw.
template <class A>
void decay_keys_backward_kernel(const Decays& d, std::int64_t first, const Tensor& x, const Tensor& y) {
  const A* const factors = d.factors.data<A>();
  A *const in = x.data<A>(), *const out = y.data<A>();
  const std::int64_t C = d.size.chunk, K = x.dim(-1), before = first - kSubChunk;
  for_rows(
      "longspan::ops::decay_keys_backward", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        for_column_blocks(K, [&](std::int64_t j, int count) {
          const std::int64_t rows = chunk * C * K + j;
          const A* const a = factors + rows;
          RunningColumns<A> p;
          for_columns(team, count, [&](int c) { p.e[c] = a[first * K + c]; });
          for (std::int64_t s = first - 1; s > before; --s) {
            for_columns(team, count, [&](int c) {
              out[rows + s * K + c] += p.e[c] * in[rows + s * K + c];
              p.e[c] *= a[s * K + c];
            });
          }
          for_columns(team, count, [&](int c) { out[rows + before * K + c] += p.e[c] * in[rows + before * K + c]; });
          for (std::int64_t s = 0; s < before; ++s) {
            for_columns(team, count, [&](int c) { in[rows + s * K + c] *= p.e[c]; });
          }
        });
      });
}

// Pairs inside a sub-chunk, and zeros above the diagonal. Row t goes back over s with e = e^{b_t - b_s}.
template <class A>
void diagonal_kernel(const Decays& d, double factor, const Tensor& q, const Tensor& k, const Tensor& p) {
  const A *const queries = q.data<A>(), *const keys = k.data<A>(), *const a = d.factors.data<A>();
  A* const out = p.data<A>();
  const std::int64_t C = d.size.chunk, K = q.dim(-1);
  const A f = A(factor);
  for_rows(
      "longspan::ops::diagonal_scores", q.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t t = row % C, first = t / kSubChunk * kSubChunk, chunk = row - t;
        A* const scores = out + row * C;
        for_columns(team, static_cast<int>(C - first), [&](int s) { scores[first + s] = A(0); });
        wait_for_team(team);
        for_column_blocks(K, [&](std::int64_t j, int count) {
          const A* const query = queries + row * K + j;
          RunningColumns<A> decay;
          for_columns(team, count, [&](int c) { decay.e[c] = f; });
          for (std::int64_t s = t; s >= first; --s) {
            const std::int64_t at = (chunk + s) * K + j;
            const A score = sum_columns<A>(team, count, [&](int c) { return query[c] * keys[at + c] * decay.e[c]; });
            if (is_first(team)) scores[s] += score;
            for_columns(team, count, [&](int c) { decay.e[c] *= a[at + c]; });
          }
        });
      });
}

template <class A>
void diagonal_backward_kernel(const Decays& d, double factor, const Tensor& q, const Tensor& k, const Tensor& dp,
                              const Tensor& dq, const Tensor& dk) {
  const A *const queries = q.data<A>(), *const keys = k.data<A>(), *const a = d.factors.data<A>();
  const A* const grad = dp.data<A>();
  A *const dqueries = dq.data<A>(), *const dkeys = dk.data<A>();
  const std::int64_t C = d.size.chunk, K = q.dim(-1), parts = count_blocks(C, kSubChunk);
  const A f = A(factor);
  for_rows(
      "longspan::ops::diagonal_scores_backward", d.size.count() * d.size.rows() * parts,
      KOKKOS_LAMBDA(const Team& team, std::int64_t part) {
        const std::int64_t chunk = part / parts * C, first = part % parts * kSubChunk, end = end_of_part(first, C);
        for_column_blocks(K, [&](std::int64_t j, int count) {
          for (std::int64_t t = first; t < end; ++t) {
            const std::int64_t row = (chunk + t) * K + j;
            RunningColumns<A> decay, sum;
            for_columns(team, count, [&](int c) {
              decay.e[c] = f;
              sum.e[c] = A(0);
            });
            for (std::int64_t s = t; s >= first; --s) {
              const std::int64_t at = (chunk + s) * K + j;
              const A g = grad[(chunk + t) * C + s];
              for_columns(team, count, [&](int c) {
                const A e = g * decay.e[c];
                sum.e[c] += e * keys[at + c];
                dkeys[at + c] += e * queries[row + c];
                decay.e[c] *= a[at + c];
              });
            }
            for_columns(team, count, [&](int c) { dqueries[row + c] += sum.e[c]; });
          }
        });
      });
}

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype(), Memory::workspace, "decayed rows"); }

// First rows of the sub-chunks that have earlier ones.
std::vector<std::int64_t> later_parts(std::int64_t chunk) {
  std::vector<std::int64_t> firsts;
  for (std::int64_t first = kSubChunk; first < chunk; first += kSubChunk) firsts.push_back(first);
  return firsts;
}

template <class A>
void channel_scores(const Decays& d, double factor, const Tensor& q, const Tensor& k, const Tensor& p) {
  diagonal_kernel<A>(d, factor, q, k, p);
  const std::int64_t C = d.size.chunk, batch = d.size.count() * d.size.rows();
  if (C <= kSubChunk) return;
  const Tensor queries = like(q), keys = like(k);
  from_part_start_kernel<A>(d, factor, q, queries, false);
  for (const std::int64_t first : later_parts(C)) {
    const std::int64_t count = end_of_part(first, C) - first;
    decay_keys_kernel<A>(d, first, k, keys);
    matmul(chunk_rows(queries, first, count), chunk_rows(keys, 0, first).t(), earlier_block(p, first, count),
           {.batch = batch});
  }
}

template <class A>
void channel_scores_backward(const Decays& d, double factor, const Tensor& q, const Tensor& k, const Tensor& dp,
                             const Tensor& dq, const Tensor& dk) {
  diagonal_backward_kernel<A>(d, factor, q, k, dp, dq, dk);
  const std::int64_t C = d.size.chunk, batch = d.size.count() * d.size.rows();
  if (C <= kSubChunk) return;
  const std::vector<std::int64_t> parts = later_parts(C);
  const Tensor rows = like(q), gradients = like(k);
  {
    gradients.set_zero();  // the first sub-chunk sees no other
    for (const std::int64_t first : parts) {
      const std::int64_t count = end_of_part(first, C) - first;
      decay_keys_kernel<A>(d, first, k, rows);
      matmul(earlier_block(dp, first, count), chunk_rows(rows, 0, first), chunk_rows(gradients, first, count),
             {.batch = batch});
    }
    from_part_start_kernel<A>(d, factor, gradients, dq, true);
  }
  from_part_start_kernel<A>(d, factor, q, rows, false);
  for (std::size_t i = parts.size(); i-- > 0;) {
    const std::int64_t first = parts[i], count = end_of_part(first, C) - first;
    const bool last = i + 1 == parts.size();
    matmul(earlier_block(dp, first, count).t(), chunk_rows(rows, first, count), chunk_rows(gradients, 0, first),
           {.accumulate = !last, .batch = batch});
    decay_keys_backward_kernel<A>(d, first, gradients, dk);
  }
}

}  // namespace

void decayed_scores(const Decays& decays, double factor, const Tensor& q, const Tensor& k, const Tensor& p) {
  if (decays.factors.dim(-1) > 1) {
    dispatch_accumulation("decayed_scores", q.dtype(), [&]<class A>() { channel_scores<A>(decays, factor, q, k, p); });
  } else {
    multiply(matrices(q), matrices(k).t(), p);
    decay_scores(decays, factor, false, p);
  }
}

void decayed_scores_backward(const Decays& decays, double factor, const Tensor& q, const Tensor& k, const Tensor& dp,
                             const Tensor& dq, const Tensor& dk) {
  if (decays.factors.dim(-1) > 1) {
    dispatch_accumulation("decayed_scores", q.dtype(),
                          [&]<class A>() { channel_scores_backward<A>(decays, factor, q, k, dp, dq, dk); });
  } else {
    decay_scores(decays, factor, false, dp);
    multiply(matrices(dp), matrices(k), dq, true);
    multiply(matrices(dp).t(), matrices(q), dk, true);
  }
}

}  // namespace longspan::ops
