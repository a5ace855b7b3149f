#include "ops/short_convolution.hpp"

#include "ops/elementwise.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

struct Sizes {
  std::int64_t batch, before, edge, length, channels, width, lead;
  const std::int32_t *starts, *ends;  // ends may be null

  // Rows [first, end) of a sequence and its edge that row t of sequence b sees; row -1 is the last before x.
  KOKKOS_INLINE_FUNCTION std::int64_t first(std::int64_t b, std::int64_t t) const {
    const std::int64_t start = starts[b * length + t], known = start < -before ? -before : start;
    return t + lead - width + 1 > known ? t + lead - width + 1 : known;
  }
  KOKKOS_INLINE_FUNCTION std::int64_t end(std::int64_t b, std::int64_t t) const {
    const std::int64_t present = length + edge - before, stop = ends ? ends[b * length + t] : present;
    const std::int64_t known = stop < present ? stop : present;
    return t + lead + 1 < known ? t + lead + 1 : known;
  }
  // Column of the weight through which row t sees row u.
  KOKKOS_INLINE_FUNCTION std::int64_t tap(std::int64_t t, std::int64_t u) const { return width - 1 - (t + lead - u); }
};

// Rows of a sequence and its edge by one number.
template <class T>
struct Rows {
  T *edge, *x;
  std::int64_t before, length, C;
  KOKKOS_INLINE_FUNCTION T* operator()(std::int64_t t) const {
    if (t < 0) return edge + (before + t) * C;
    return t < length ? x + t * C : edge + (before + t - length) * C;
  }
};
template <class T>
KOKKOS_INLINE_FUNCTION Rows<T> rows_of(T* edge, T* x, const Sizes& s, std::int64_t b) {
  return {edge + b * s.edge * s.channels, x + b * s.length * s.channels, s.before, s.length, s.channels};
}

template <class T>
void forward_kernel(const Sizes& s, const Tensor& edge, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Tensor& y) {
  using A = accumulation_t<T>;
  const T *const around = edge.data<T>(), *const in = x.data<T>(), *const w = weight.data<T>();
  const T* const add = bias.defined() ? bias.data<T>() : nullptr;
  T* const out = y.data<T>();
  for_rows(
      "longspan::ops::short_convolution", s.batch * s.length, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / s.length, t = row % s.length, first = s.first(b, t), end = s.end(b, t);
        const Rows<const T> rows = rows_of(around, in, s, b);
        for_columns(team, static_cast<int>(s.channels), [&](int c) {
          A sum = add ? A(add[c]) : A(0);
          for (std::int64_t u = end; u-- > first;) sum += A(w[c * s.width + s.tap(t, u)]) * A(rows(u)[c]);
          out[row * s.channels + c] = T(sum);
        });
      });
}

// dx_u = sum over the rows t that see u.
template <class T>
void input_kernel(const Sizes& s, const Tensor& weight, const Tensor& dy, const Tensor& dedge, const Tensor& dx) {
  using A = accumulation_t<T>;
  const T *const w = weight.data<T>(), *const grad = dy.data<T>();
  T *const around = dedge.data<T>(), *const out = dx.data<T>();
  for_rows(
      "longspan::ops::short_convolution_backward", s.batch * (s.edge + s.length),
      KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / (s.edge + s.length), u = row % (s.edge + s.length) - s.before;
        T* const to = rows_of(around, out, s, b)(u);
        const std::int64_t from = u - s.lead < 0 ? 0 : u - s.lead, until = u - s.lead + s.width;
        for_columns(team, static_cast<int>(s.channels), [&](int c) {
          A sum = 0;
          for (std::int64_t t = from; t < until && t < s.length; ++t) {
            if (s.first(b, t) > u || u >= s.end(b, t)) continue;
            sum += A(w[c * s.width + s.tap(t, u)]) * A(grad[(b * s.length + t) * s.channels + c]);
          }
          to[c] = T(sum);
        });
      });
}

template <class T>
void weight_kernel(const Sizes& s, const Tensor& edge, const Tensor& x, const Tensor& dy, const Tensor& dweight) {
  using A = accumulation_t<T>;
  const std::int64_t all = s.batch * s.length, blocks = count_blocks(all, kRowBlock), cols = s.channels * s.width;
  const Tensor partials = Tensor::zeros({blocks, cols}, dtype_of<A>(), Memory::workspace, "convolution gradients");
  const T *const around = edge.data<T>(), *const in = x.data<T>(), *const grad = dy.data<T>();
  A* const sums = partials.data<A>();
  for_rows(
      "longspan::ops::short_convolution_weight", blocks, KOKKOS_LAMBDA(const Team& team, std::int64_t block) {
        const std::int64_t begin = block * kRowBlock, stop = end_of_block(begin, all);
        for (std::int64_t row = begin; row < stop; ++row) {
          const std::int64_t b = row / s.length, t = row % s.length;
          const Rows<const T> rows = rows_of(around, in, s, b);
          for (std::int64_t u = s.first(b, t); u < s.end(b, t); ++u) {
            const T* const from = rows(u);
            for_columns(team, static_cast<int>(s.channels), [&](int c) {
              sums[block * cols + c * s.width + s.tap(t, u)] += A(from[c]) * A(grad[row * s.channels + c]);
            });
          }
        }
      });
  add_partials(sums, blocks, cols, dweight.data<A>());
}

Sizes check(const ConvolutionRows& rows, const Tensor& edge, const Tensor& x, const Tensor& weight) {
  const Sizes s{.batch = x.dim(0),
                .before = rows.before,
                .edge = edge.dim(1),
                .length = x.dim(1),
                .channels = x.dim(2),
                .width = weight.dim(1),
                .lead = rows.lead,
                .starts = rows.starts.data<std::int32_t>(),
                .ends = rows.ends.defined() ? rows.ends.data<std::int32_t>() : nullptr};
  LONGSPAN_CHECK(edge.dim(0) == s.batch && edge.dim(2) == s.channels && s.before + s.lead < s.width &&
                     s.before <= s.edge && s.edge - s.before <= s.lead && weight.dim(0) == s.channels &&
                     rows.starts.size() == s.batch * s.length && (s.ends || s.lead == 0),
                 "[short_convolution] edge {}, {} of it before x {}, weight {}, lead {}", edge.shape().str(), s.before,
                 x.shape().str(), weight.shape().str(), s.lead);
  return s;
}

}  // namespace

void short_convolution_forward(const ConvolutionRows& rows, const Tensor& edge, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const Tensor& y) {
  const Sizes s = check(rows, edge, x, weight);
  dispatch_float("short_convolution", x.dtype(), [&]<class T>() { forward_kernel<T>(s, edge, x, weight, bias, y); });
}

void short_convolution_backward(const ConvolutionRows& rows, const Tensor& edge, const Tensor& x, const Tensor& weight,
                                const Tensor& dy, const Tensor& dedge, const Tensor& dx, const Tensor& dweight,
                                const Tensor& dbias) {
  const Sizes s = check(rows, edge, x, weight);
  dispatch_float("short_convolution", x.dtype(), [&]<class T>() {
    input_kernel<T>(s, weight, dy, dedge, dx);
    if (dweight.defined()) weight_kernel<T>(s, edge, x, dy, dweight);
  });
  if (dbias.defined()) add_column_sums(dy, dbias);
}

}  // namespace longspan::ops
