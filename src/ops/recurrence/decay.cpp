#include "ops/recurrence/decay.hpp"

#include "ops/math.hpp"
#include "ops/recurrence/chunk_place.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

struct Place : ChunkPlace {
  const std::int32_t* documents;
  std::int64_t G;

  explicit Place(const Decays& d)
      : ChunkPlace(d.size), documents(d.documents.data<std::int32_t>()), G(d.sums.dim(-1)) {}

  // Document rows of the chunk's sequence.
  KOKKOS_INLINE_FUNCTION const std::int32_t* starts(std::int64_t chunk) const {
    return documents + sequence(chunk) * length;
  }
};

template <class A>
void sums_kernel(const Decays& d, const Tensor& log_decay) {
  const Place place(d);
  const A* const in = log_decay.data<A>();
  double* const out = d.sums.data<double>();
  for_rows(
      "longspan::ops::decay_sums", d.size.count() * place.R, KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const std::int64_t C = place.C, G = place.G, first = place.first(chunk), rows = place.positions(chunk);
        const std::int32_t* const starts = place.starts(chunk);
        for_columns(team, static_cast<int>(G), [&](int j) {
          double sum = 0;
          for (std::int64_t i = 0; i < C; ++i) {
            const std::int64_t at = (chunk * C + i) * G + j;
            if (i < rows && starts[first + i] != first + i) sum += static_cast<double>(in[at]);
            out[at] = sum;
          }
        });
      });
}

template <class A>
void through_kernel(const Decays& d) {
  const Place place(d);
  const double* const sums = d.sums.data<double>();
  A* const out = d.through.data<A>();
  for_rows(
      "longspan::ops::decay_through", d.size.count() * place.R, KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const std::int64_t C = place.C, G = place.G, first = place.first(chunk);
        const bool whole = place.starts(chunk)[first + place.positions(chunk) - 1] < first;
        for_columns(team, static_cast<int>(G), [&](int j) {
          out[chunk * G + j] = whole ? math::exp(A(sums[((chunk + 1) * C - 1) * G + j])) : A(0);
        });
      });
}

template <class A>
void from_start_kernel(const Decays& d, double factor, const Tensor& x, const Tensor& y) {
  const Place place(d);
  const double* const sums = d.sums.data<double>();
  const A* const in = x.data<A>();
  A* const out = y.data<A>();
  const std::int64_t W = x.dim(-1);
  for_rows(
      "longspan::ops::decay_from_start", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t chunk = row / place.C, i = row % place.C, first = place.first(chunk), G = place.G;
        const bool seen = i < place.positions(chunk) && place.starts(chunk)[first + i] < first;
        const A f = seen ? A(factor) : A(0);
        const double* const b = sums + row * G;
        if (G == 1) {
          const A e = f * math::exp(A(b[0]));
          for_columns(team, static_cast<int>(W), [&](int c) { out[row * W + c] = e * in[row * W + c]; });
        } else {
          for_columns(team, static_cast<int>(W),
                      [&](int c) { out[row * W + c] = f * math::exp(A(b[c])) * in[row * W + c]; });
        }
      });
}

template <class A>
void to_end_kernel(const Decays& d, const Tensor& x, const Tensor& y) {
  const Place place(d);
  const double* const sums = d.sums.data<double>();
  const A* const in = x.data<A>();
  A* const out = y.data<A>();
  const std::int64_t W = x.dim(-1);
  for_rows(
      "longspan::ops::decay_to_end", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t C = place.C, chunk = row / C, i = row % C, first = place.first(chunk), G = place.G;
        const bool kept = first + i >= place.starts(chunk)[first + place.positions(chunk) - 1];
        const A f = kept ? A(1) : A(0);
        const double *const b = sums + row * G, *const end = sums + ((chunk + 1) * C - 1) * G;
        if (G == 1) {
          const A e = f * math::exp(A(end[0] - b[0]));
          for_columns(team, static_cast<int>(W), [&](int c) { out[row * W + c] = e * in[row * W + c]; });
        } else {
          for_columns(team, static_cast<int>(W),
                      [&](int c) { out[row * W + c] = f * math::exp(A(end[c] - b[c])) * in[row * W + c]; });
        }
      });
}

template <class A>
void carry_kernel(const Decays& d, std::int64_t n, const Tensor& from, const Tensor& to, bool accumulate) {
  const A *const in = from.data<A>(), *const through = d.through.data<A>() + n * d.size.rows() * d.sums.dim(-1);
  A* const out = to.data<A>();
  const std::int64_t K = from.dim(-2), V = from.dim(-1), G = d.sums.dim(-1);
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

template <class A>
void mask_kernel(const Decays& d, double factor, bool strict, bool decayed, const Tensor& x) {
  const Place place(d);
  const double* const sums = d.sums.data<double>();
  A* const out = x.data<A>();
  const A f = A(factor);
  for_rows(
      "longspan::ops::mask_scores", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t C = place.C, chunk = row / C, i = row % C, first = place.first(chunk);
        const std::int64_t end = i >= place.positions(chunk) ? 0 : strict ? i : i + 1;
        const std::int64_t begin = end == 0 ? 0 : place.starts(chunk)[first + i] - first;
        const double* const b = sums + chunk * C * place.G;
        A* const scores = out + row * C;
        if (decayed) {
          const double at = b[i];
          for_columns(team, static_cast<int>(C), [&](int s) {
            scores[s] = s >= begin && s < end ? f * math::exp(A(at - b[s])) * scores[s] : A(0);
          });
        } else {
          for_columns(team, static_cast<int>(C),
                      [&](int s) { scores[s] = s >= begin && s < end ? f * scores[s] : A(0); });
        }
      });
}

template <class A>
void through_gradient_kernel(const Decays& d, const Tensor& kd, const Tensor& dkd, const Tensor& starts,
                             const Tensor& dends, const Tensor& dsums) {
  const Place place(d);
  const A *const k = kd.data<A>(), *const dk = dkd.data<A>(), *const through = d.through.data<A>();
  const A *const state = starts.data<A>(), *const dend = dends.data<A>();
  double* const out = dsums.data<double>();
  const std::int64_t K = starts.dim(-2), V = starts.dim(-1);
  for_rows(
      "longspan::ops::decay_through_gradient", d.size.count() * place.R,
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const std::int64_t C = place.C, G = place.G, keys = chunk * C * K, values = chunk * K * V;
        double* const last = out + ((chunk + 1) * C - 1) * G;
        if (G == 1) {
          const A left =
              sum_columns<A>(team, static_cast<int>(C * K), [&](int i) { return k[keys + i] * dk[keys + i]; });
          const A across = sum_columns<A>(team, static_cast<int>(K * V),
                                          [&](int i) { return state[values + i] * dend[values + i]; });
          for_columns(team, 1, [&](int) { last[0] += static_cast<double>(left + through[chunk] * across); });
          return;
        }
        for_columns(team, static_cast<int>(K), [&](int j) {
          A left = 0, across = 0;
          for (std::int64_t i = 0; i < C; ++i) left += k[keys + i * K + j] * dk[keys + i * K + j];
          for (std::int64_t v = 0; v < V; ++v) across += state[values + j * V + v] * dend[values + j * V + v];
          last[j] += static_cast<double>(left + through[chunk * K + j] * across);
        });
      });
}

template <class A>
void products_kernel(const Decays& d, double sign, const Tensor& x, const Tensor& y, const Tensor& dsums) {
  const A *const a = x.data<A>(), *const b = y.data<A>();
  double* const out = dsums.data<double>();
  const std::int64_t W = x.dim(-1), G = d.sums.dim(-1);
  for_rows(
      "longspan::ops::decay_products", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        if (G == 1) {
          const A sum =
              sum_columns<A>(team, static_cast<int>(W), [&](int c) { return a[row * W + c] * b[row * W + c]; });
          for_columns(team, 1, [&](int) { out[row] += sign * static_cast<double>(sum); });
        } else {
          for_columns(team, static_cast<int>(W), [&](int c) {
            out[row * W + c] += sign * static_cast<double>(a[row * W + c]) * static_cast<double>(b[row * W + c]);
          });
        }
      });
}

template <class A>
void gradient_kernel(const Decays& d, const Tensor& dsums, const Tensor& dlog) {
  const Place place(d);
  const double* const in = dsums.data<double>();
  A* const out = dlog.data<A>();
  for_rows(
      "longspan::ops::log_decay_gradient", d.size.count() * place.R,
      KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const std::int64_t C = place.C, G = place.G, first = place.first(chunk), rows = place.positions(chunk);
        const std::int32_t* const starts = place.starts(chunk);
        for_columns(team, static_cast<int>(G), [&](int j) {
          double sum = 0;
          for (std::int64_t i = C - 1; i >= 0; --i) {
            const std::int64_t at = (chunk * C + i) * G + j;
            sum += in[at];
            out[at] = i < rows && starts[first + i] != first + i ? A(sum) : A(0);
          }
        });
      });
}

}  // namespace

Decays make_decays(const Tensor& log_decay_chunks, const Tensor& documents, const ChunkSizes& size) {
  LONGSPAN_CHECK(documents.size() == size.batch * size.length, "[decays] documents {} for {} x {} rows",
                 documents.shape().str(), size.batch, size.length);
  const Shape& shape = log_decay_chunks.shape();
  const Decays decays{size, documents, Tensor::empty(shape, Dtype::float64, Memory::workspace, "decay sums"),
                      Tensor::empty({shape[0], shape[1], shape[3]}, log_decay_chunks.dtype(), Memory::workspace,
                                    "decay across chunks")};
  dispatch_accumulation("decays", log_decay_chunks.dtype(), [&]<class A>() {
    sums_kernel<A>(decays, log_decay_chunks);
    through_kernel<A>(decays);
  });
  return decays;
}

void from_start(const Decays& decays, double factor, const Tensor& x, const Tensor& y) {
  dispatch_accumulation("from_start", x.dtype(), [&]<class A>() { from_start_kernel<A>(decays, factor, x, y); });
}

void to_end(const Decays& decays, const Tensor& x, const Tensor& y) {
  dispatch_accumulation("to_end", x.dtype(), [&]<class A>() { to_end_kernel<A>(decays, x, y); });
}

void carry_states(const Decays& decays, std::int64_t n, const Tensor& from, const Tensor& to, bool accumulate) {
  dispatch_accumulation("carry_states", from.dtype(),
                        [&]<class A>() { carry_kernel<A>(decays, n, from, to, accumulate); });
}

Tensor decay_through(const Decays& decays) {
  const Tensor result = Tensor::empty({decays.size.rows(), decays.sums.dim(-1)}, decays.through.dtype(),
                                      Memory::workspace, "decay across the run");
  dispatch_accumulation("decay_through", result.dtype(), [&]<class A>() { run_through_kernel<A>(decays, result); });
  return result;
}

void mask_scores(const Decays& decays, double factor, bool strict, bool decayed, const Tensor& x) {
  dispatch_accumulation("mask_scores", x.dtype(),
                        [&]<class A>() { mask_kernel<A>(decays, factor, strict, decayed, x); });
}

void add_through_gradient(const Decays& decays, const Tensor& kd, const Tensor& dkd, const Tensor& starts,
                          const Tensor& dends, const Tensor& dsums) {
  dispatch_accumulation("through_gradient", kd.dtype(),
                        [&]<class A>() { through_gradient_kernel<A>(decays, kd, dkd, starts, dends, dsums); });
}

void add_products(const Decays& decays, double sign, const Tensor& x, const Tensor& y, const Tensor& dsums) {
  dispatch_accumulation("decay_products", x.dtype(), [&]<class A>() { products_kernel<A>(decays, sign, x, y, dsums); });
}

Tensor log_decay_gradient(const Decays& decays, const Tensor& dsums, Dtype dtype) {
  const Tensor dlog = Tensor::empty(dsums.shape(), dtype, Memory::workspace, "log decay gradient");
  dispatch_accumulation("log_decay_gradient", dtype, [&]<class A>() { gradient_kernel<A>(decays, dsums, dlog); });
  return dlog;
}

}  // namespace longspan::ops
