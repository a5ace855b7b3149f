#include "ops/recurrence/decay.hpp"

#include "base/error.hpp"
#include "ops/math.hpp"
#include "ops/recurrence/chunk_place.hpp"
#include "ops/recurrence/running_columns.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class A>
void factors_kernel(const Decays& d, const Tensor& log_decay, const Tensor& documents) {
  const ChunkPlace place(d.size);
  const A* const in = log_decay.data<A>();
  const std::int32_t* const document = documents.data<std::int32_t>();
  A *const out = d.factors.data<A>(), *const through = d.through.data<A>();
  const std::int64_t G = d.factors.dim(-1);
  for_rows(
      "longspan::ops::decay_factors", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const std::int64_t C = place.C, first = place.first(chunk), positions = place.positions(chunk);
        const std::int32_t* const starts = document + place.sequence(chunk) * place.length + first;
        const bool whole = starts[positions - 1] < first;
        for_column_blocks(G, [&](std::int64_t j, int count) {
          RunningColumns<double> sum;
          for_columns(team, count, [&](int c) { sum.e[c] = 0; });
          for (std::int64_t i = 0; i < C; ++i) {
            const std::int64_t at = (chunk * C + i) * G + j;
            if (i < positions && starts[i] == first + i) {
              for_columns(team, count, [&](int c) { out[at + c] = A(0); });
            } else {  // behind the end the logarithm is 0
              for_columns(team, count, [&](int c) {
                out[at + c] = math::exp(in[at + c]);
                sum.e[c] += static_cast<double>(in[at + c]);
              });
            }
          }
          for_columns(team, count, [&](int c) { through[chunk * G + j + c] = whole ? math::exp(A(sum.e[c])) : A(0); });
        });
      });
}

template <class A>
void from_start_kernel(const Decays& d, double factor, const Tensor& x, const Tensor& y) {
  const A *const in = x.data<A>(), *const factors = d.factors.data<A>();
  A* const out = y.data<A>();
  const std::int64_t C = d.size.chunk, W = x.dim(-1), G = d.factors.dim(-1);
  const A f = A(factor);
  for_rows(
      "longspan::ops::decay_from_start", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const A* const a = factors + chunk * C * G;
        if (G == 1) {
          A e = f;
          for (std::int64_t i = 0; i < C; ++i) {
            e *= a[i];
            const std::int64_t at = (chunk * C + i) * W;
            for_columns(team, static_cast<int>(W), [&](int c) { out[at + c] = e * in[at + c]; });
          }
          return;
        }
        for_column_blocks(W, [&](std::int64_t j, int count) {
          RunningColumns<A> p;
          for_columns(team, count, [&](int c) { p.e[c] = f; });
          for (std::int64_t i = 0; i < C; ++i) {
            const std::int64_t at = (chunk * C + i) * W + j;
            for_columns(team, count, [&](int c) {
              p.e[c] *= a[i * W + j + c];
              out[at + c] = p.e[c] * in[at + c];
            });
          }
        });
      });
}

template <class A>
void to_end_kernel(const Decays& d, const Tensor& x, const Tensor& y, bool accumulate) {
  const A *const in = x.data<A>(), *const factors = d.factors.data<A>();
  A* const out = y.data<A>();
  const std::int64_t C = d.size.chunk, W = x.dim(-1), G = d.factors.dim(-1);
  for_rows(
      "longspan::ops::decay_to_end", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const A* const a = factors + chunk * C * G;
        for_column_blocks(W, [&](std::int64_t j, int count) {
          RunningColumns<A> p;
          for_columns(team, count, [&](int c) { p.e[c] = A(1); });
          for (std::int64_t i = C; i-- > 0;) {
            const std::int64_t at = (chunk * C + i) * W + j;
            for_columns(team, count, [&](int c) {
              out[at + c] = p.e[c] * in[at + c] + (accumulate ? out[at + c] : A(0));
              p.e[c] *= a[G == 1 ? i : i * W + j + c];
            });
          }
        });
      });
}

template <class A>
void carry_kernel(const Decays& d, std::int64_t n, const Tensor& from, const Tensor& to, bool accumulate) {
  const A *const in = from.data<A>(), *const through = d.through.data<A>() + n * d.size.rows() * d.through.dim(-1);
  A* const out = to.data<A>();
  const std::int64_t K = from.dim(-2), V = from.dim(-1), G = d.through.dim(-1);
  for_rows(
      "longspan::ops::carry_states", from.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const A a = through[G == 1 ? row / K : row];
        for_columns(team, static_cast<int>(V), [&](int c) {
          const A value = a * in[row * V + c];
          out[row * V + c] = accumulate ? out[row * V + c] + value : value;
        });
      });
}

template <class A>
void run_through_kernel(const Decays& d, const Tensor& result) {
  const A* const through = d.through.data<A>();
  A* const out = result.data<A>();
  const std::int64_t n = d.size.count(), cols = result.size();
  for_elements(
      "longspan::ops::decay_through_run", cols, KOKKOS_LAMBDA(std::int64_t i) {
        A product = 1;
        for (std::int64_t c = 0; c < n; ++c) product *= through[c * cols + i];
        out[i] = product;
      });
}

// e_s = e^{b_t - b_s} for the columns s of a row t is what it was for row t - 1, times a_t.
template <class A>
void scores_kernel(const Decays& d, double factor, bool strict, const Tensor& x) {
  const A* const a = d.factors.data<A>();
  A* const out = x.data<A>();
  const std::int64_t C = d.size.chunk;
  const A f = A(factor);
  const int own = strict ? 0 : 1;
  for_rows(
      "longspan::ops::decay_scores", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        for_column_blocks(C, [&](std::int64_t j, int count) {
          RunningColumns<A> p;
          for_columns(team, count, [&](int c) { p.e[c] = A(0); });
          for (std::int64_t t = 0; t < C; ++t) {
            A* const row = out + (chunk * C + t) * C + j;
            const A decay = a[chunk * C + t];
            const auto at = static_cast<int>(t - j);
            for_columns(team, count, [&](int c) {
              const A e = c == at ? f : decay * p.e[c];
              p.e[c] = e;
              row[c] = c < at + own ? e * row[c] : A(0);
            });
          }
        });
      });
}

template <class A>
void write_products_kernel(const Decays& d, const Tensor& x, const Tensor& dx, const Tensor& y, const Tensor& dy,
                           const Tensor& dsums) {
  const A *const a = x.data<A>(), *const da = dx.data<A>(), *const b = y.data<A>(), *const db = dy.data<A>();
  A* const out = dsums.data<A>();
  const std::int64_t W = x.dim(-1), G = d.factors.dim(-1);
  for_rows(
      "longspan::ops::decay_products", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t at = row * W;
        if (G == 1) {
          const A sum = sum_columns<A>(team, static_cast<int>(W),
                                       [&](int c) { return a[at + c] * da[at + c] - b[at + c] * db[at + c]; });
          for_columns(team, 1, [&](int) { out[row] = sum; });
        } else {
          for_columns(team, static_cast<int>(W),
                      [&](int c) { out[at + c] = a[at + c] * da[at + c] - b[at + c] * db[at + c]; });
        }
      });
}

template <class A>
void add_products_kernel(const Decays& d, const Tensor& x, const Tensor& dx, const Tensor& dsums) {
  const A *const a = x.data<A>(), *const da = dx.data<A>();
  A* const out = dsums.data<A>();
  const std::int64_t W = x.dim(-1), G = d.factors.dim(-1);
  for_rows(
      "longspan::ops::decay_add_products", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t at = row * W;
        if (G == 1) {
          const A sum = sum_columns<A>(team, static_cast<int>(W), [&](int c) { return a[at + c] * da[at + c]; });
          for_columns(team, 1, [&](int) { out[row] += sum; });
        } else {
          for_columns(team, static_cast<int>(W), [&](int c) { out[at + c] += a[at + c] * da[at + c]; });
        }
      });
}

template <class A>
void through_gradient_kernel(const Decays& d, const Tensor& kd, const Tensor& dkd, const Tensor& starts,
                             const Tensor& dends, const Tensor& dsums) {
  const A *const k = kd.data<A>(), *const dk = dkd.data<A>(), *const through = d.through.data<A>();
  const A *const state = starts.data<A>(), *const dend = dends.data<A>();
  A* const out = dsums.data<A>();
  const std::int64_t C = d.size.chunk, G = d.factors.dim(-1), K = starts.dim(-2), V = starts.dim(-1);
  for_rows(
      "longspan::ops::decay_through_gradient", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const std::int64_t keys = chunk * C * K, values = chunk * K * V;
        A* const last = out + ((chunk + 1) * C - 1) * G;
        if (G == 1) {
          const A left =
              sum_columns<A>(team, static_cast<int>(C * K), [&](int i) { return k[keys + i] * dk[keys + i]; });
          const A across = sum_columns<A>(team, static_cast<int>(K * V),
                                          [&](int i) { return state[values + i] * dend[values + i]; });
          for_columns(team, 1, [&](int) { last[0] += left + through[chunk] * across; });
          return;
        }
        for (std::int64_t i = 0; i < C; ++i) {
          const std::int64_t at = keys + i * K;
          for_columns(team, static_cast<int>(K), [&](int c) { last[c] += k[at + c] * dk[at + c]; });
        }
        wait_for_team(team);
        for (std::int64_t c = 0; c < K; ++c) {
          const std::int64_t at = values + c * V;
          const A across =
              sum_columns<A>(team, static_cast<int>(V), [&](int v) { return state[at + v] * dend[at + v]; });
          if (is_first(team)) last[c] += through[chunk * K + c] * across;
        }
      });
}

template <class A>
void gradient_kernel(const Decays& d, const Tensor& dsums, const Tensor& dlog) {
  const A *const a = d.factors.data<A>(), *const sums = dsums.data<A>();
  A* const out = dlog.data<A>();
  const std::int64_t C = d.size.chunk, G = d.factors.dim(-1);
  for_rows(
      "longspan::ops::log_decay_gradient", d.size.count() * d.size.rows(),
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        for_column_blocks(G, [&](std::int64_t j, int count) {
          RunningColumns<A> sum;
          for_columns(team, count, [&](int c) { sum.e[c] = A(0); });
          for (std::int64_t i = C; i-- > 0;) {
            const std::int64_t at = (chunk * C + i) * G + j;
            for_columns(team, count, [&](int c) {
              sum.e[c] += sums[at + c];
              out[at + c] = a[at + c] == A(0) ? A(0) : sum.e[c];
            });
          }
        });
      });
}

}  // namespace

Decays make_decays(const Tensor& log_decay_chunks, const Tensor& documents, const ChunkSizes& size) {
  LONGSPAN_CHECK(documents.size() == size.batch * size.length, "[decays] documents {} for {} x {} rows",
                 documents.shape().str(), size.batch, size.length);
  const Shape& shape = log_decay_chunks.shape();
  const Dtype dtype = log_decay_chunks.dtype();
  const Decays decays{size, Tensor::empty(shape, dtype, Memory::workspace, "decays"),
                      Tensor::empty({shape[0], shape[1], shape[3]}, dtype, Memory::workspace, "decay across chunks")};
  dispatch_accumulation("decays", dtype, [&]<class A>() { factors_kernel<A>(decays, log_decay_chunks, documents); });
  return decays;
}

void from_start(const Decays& decays, double factor, const Tensor& x, const Tensor& y) {
  dispatch_accumulation("from_start", x.dtype(), [&]<class A>() { from_start_kernel<A>(decays, factor, x, y); });
}

void to_end(const Decays& decays, const Tensor& x, const Tensor& y, bool accumulate) {
  dispatch_accumulation("to_end", x.dtype(), [&]<class A>() { to_end_kernel<A>(decays, x, y, accumulate); });
}

void carry_states(const Decays& decays, std::int64_t n, const Tensor& from, const Tensor& to, bool accumulate) {
  dispatch_accumulation("carry_states", from.dtype(),
                        [&]<class A>() { carry_kernel<A>(decays, n, from, to, accumulate); });
}

Tensor decay_through(const Decays& decays) {
  const Tensor result = Tensor::empty({decays.size.rows(), decays.through.dim(-1)}, decays.through.dtype(),
                                      Memory::workspace, "decay across the run");
  dispatch_accumulation("decay_through", result.dtype(), [&]<class A>() { run_through_kernel<A>(decays, result); });
  return result;
}

void decay_scores(const Decays& decays, double factor, bool strict, const Tensor& x) {
  LONGSPAN_CHECK(decays.factors.dim(-1) == 1, "[decay_scores] {} decays", decays.factors.dim(-1));
  dispatch_accumulation("decay_scores", x.dtype(), [&]<class A>() { scores_kernel<A>(decays, factor, strict, x); });
}

void write_products(const Decays& decays, const Tensor& x, const Tensor& dx, const Tensor& y, const Tensor& dy,
                    const Tensor& dsums) {
  dispatch_accumulation("decay_products", x.dtype(),
                        [&]<class A>() { write_products_kernel<A>(decays, x, dx, y, dy, dsums); });
}

void add_products(const Decays& decays, const Tensor& x, const Tensor& dx, const Tensor& dsums) {
  dispatch_accumulation("decay_products", x.dtype(), [&]<class A>() { add_products_kernel<A>(decays, x, dx, dsums); });
}

void add_through_gradient(const Decays& decays, const Tensor& kd, const Tensor& dkd, const Tensor& starts,
                          const Tensor& dends, const Tensor& dsums) {
  dispatch_accumulation("through_gradient", kd.dtype(),
                        [&]<class A>() { through_gradient_kernel<A>(decays, kd, dkd, starts, dends, dsums); });
}

Tensor log_decay_gradient(const Decays& decays, const Tensor& dsums) {
  const Tensor dlog = Tensor::empty(dsums.shape(), dsums.dtype(), Memory::workspace, "log decay gradient");
  dispatch_accumulation("log_decay_gradient", dsums.dtype(),
                        [&]<class A>() { gradient_kernel<A>(decays, dsums, dlog); });
  return dlog;
}

}  // namespace longspan::ops
