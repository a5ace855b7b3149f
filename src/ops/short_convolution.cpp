#include "ops/short_convolution.hpp"

#include "ops/elementwise.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

struct Sizes {
  std::int64_t batch, edge, length, channels, width;
};

// Rows of a sequence and of the edge before it by one number: row -1 is the last of the edge.
template <class T>
struct Rows {
  T *edge, *x;
  std::int64_t E, C;
  KOKKOS_INLINE_FUNCTION T* operator()(std::int64_t t) const { return t < 0 ? edge + (E + t) * C : x + t * C; }
};
template <class T>
KOKKOS_INLINE_FUNCTION Rows<T> rows_of(T* edge, T* x, const Sizes& s, std::int64_t b) {
  return {edge + b * s.edge * s.channels, x + b * s.length * s.channels, s.edge, s.channels};
}

template <class T>
void forward_kernel(const Sizes& s, const Tensor& edge, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Tensor& documents, const Tensor& y) {
  using A = accumulation_t<T>;
  const T *const before = edge.data<T>(), *const in = x.data<T>(), *const w = weight.data<T>();
  const T* const b = bias.defined() ? bias.data<T>() : nullptr;
  const auto* const starts = documents.data<std::int32_t>();
  T* const out = y.data<T>();
  for_rows(
      "longspan::ops::short_convolution", s.batch * s.length, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t t = row % s.length;
        const Rows<const T> rows = rows_of(before, in, s, row / s.length);
        const std::int64_t first = starts[row] < -s.edge ? -s.edge : starts[row];
        for_columns(team, static_cast<int>(s.channels), [&](int c) {
          A sum = b ? A(b[c]) : A(0);
          for (std::int64_t j = 0; j < s.width && t - j >= first; ++j) {
            sum += A(w[c * s.width + s.width - 1 - j]) * A(rows(t - j)[c]);
          }
          out[row * s.channels + c] = T(sum);
        });
      });
}

// dx_u = sum_j weight[w-1-j] dy_{u+j} over the rows u+j whose document reaches back to u.
template <class T>
void input_kernel(const Sizes& s, const Tensor& weight, const Tensor& documents, const Tensor& dy, const Tensor& dedge,
                  const Tensor& dx) {
  using A = accumulation_t<T>;
  const T *const w = weight.data<T>(), *const grad = dy.data<T>();
  const auto* const starts = documents.data<std::int32_t>();
  T *const before = dedge.data<T>(), *const out = dx.data<T>();
  for_rows(
      "longspan::ops::short_convolution_backward", s.batch * (s.edge + s.length),
      KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / (s.edge + s.length), u = row % (s.edge + s.length) - s.edge;
        T* const to = rows_of(before, out, s, b)(u);
        for_columns(team, static_cast<int>(s.channels), [&](int c) {
          A sum = 0;
          for (std::int64_t j = u < 0 ? -u : 0; j < s.width && u + j < s.length; ++j) {
            const std::int64_t t = b * s.length + u + j;
            if (starts[t] <= u) sum += A(w[c * s.width + s.width - 1 - j]) * A(grad[t * s.channels + c]);
          }
          to[c] = T(sum);
        });
      });
}

template <class T>
void weight_kernel(const Sizes& s, const Tensor& edge, const Tensor& x, const Tensor& documents, const Tensor& dy,
                   const Tensor& dweight) {
  using A = accumulation_t<T>;
  const std::int64_t all = s.batch * s.length, blocks = count_blocks(all, kRowBlock), cols = s.channels * s.width;
  const Tensor partials = Tensor::zeros({blocks, cols}, dtype_of<A>(), Memory::workspace, "convolution gradients");
  const T *const before = edge.data<T>(), *const in = x.data<T>(), *const grad = dy.data<T>();
  const auto* const starts = documents.data<std::int32_t>();
  A* const sums = partials.data<A>();
  for_rows(
      "longspan::ops::short_convolution_weight", blocks, KOKKOS_LAMBDA(const Team& team, std::int64_t block) {
        const std::int64_t begin = block * kRowBlock, end = end_of_block(begin, all);
        for (std::int64_t row = begin; row < end; ++row) {
          const std::int64_t t = row % s.length;
          const Rows<const T> rows = rows_of(before, in, s, row / s.length);
          const std::int64_t first = starts[row] < -s.edge ? -s.edge : starts[row];
          for (std::int64_t j = 0; j < s.width && t - j >= first; ++j) {
            const T* const from = rows(t - j);
            for_columns(team, static_cast<int>(s.channels), [&](int c) {
              sums[block * cols + c * s.width + s.width - 1 - j] += A(from[c]) * A(grad[row * s.channels + c]);
            });
          }
        }
      });
  add_partials(sums, blocks, cols, dweight.data<A>());
}

Sizes check(const Tensor& edge, const Tensor& x, const Tensor& weight, const Tensor& documents) {
  const Sizes s{x.dim(0), edge.dim(1), x.dim(1), x.dim(2), weight.dim(1)};
  LONGSPAN_CHECK(edge.dim(0) == s.batch && edge.dim(2) == s.channels && s.edge < s.width &&
                     weight.dim(0) == s.channels && documents.size() == s.batch * s.length,
                 "[short_convolution] edge {}, x {}, weight {}, documents {}", edge.shape().str(), x.shape().str(),
                 weight.shape().str(), documents.shape().str());
  return s;
}

}  // namespace

void short_convolution_forward(const Tensor& edge, const Tensor& x, const Tensor& weight, const Tensor& bias,
                               const Tensor& documents, const Tensor& y) {
  const Sizes s = check(edge, x, weight, documents);
  dispatch_float("short_convolution", x.dtype(),
                 [&]<class T>() { forward_kernel<T>(s, edge, x, weight, bias, documents, y); });
}

void short_convolution_backward(const Tensor& edge, const Tensor& x, const Tensor& weight, const Tensor& documents,
                                const Tensor& dy, const Tensor& dedge, const Tensor& dx, const Tensor& dweight,
                                const Tensor& dbias) {
  const Sizes s = check(edge, x, weight, documents);
  dispatch_float("short_convolution", x.dtype(), [&]<class T>() {
    input_kernel<T>(s, weight, documents, dy, dedge, dx);
    weight_kernel<T>(s, edge, x, documents, dy, dweight);
  });
  if (dbias.defined()) add_column_sums(dy, dbias);
}

}  // namespace longspan::ops
