#include "ops/features.hpp"

#include "ops/math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

constexpr double kEpsilon = 1e-6;

template <class T>
void elu_kernel(const Tensor& x, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  T* const out = y.data<T>();
  for_elements(
      "longspan::ops::elu_feature", x.size(), KOKKOS_LAMBDA(std::int64_t i) {
        const A u = A(in[i]);
        out[i] = T(u > A(0) ? u + A(1) : math::exp(u));
      });
}

template <class T>
void elu_backward_kernel(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const grad = dy.data<T>();
  T* const out = dx.data<T>();
  for_elements(
      "longspan::ops::elu_feature_backward", x.size(), KOKKOS_LAMBDA(std::int64_t i) {
        const A u = A(in[i]);
        out[i] = T(A(grad[i]) * (u > A(0) ? A(1) : math::exp(u)));
      });
}

template <class T>
void l2_kernel(const Tensor& x, std::int64_t rows, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  T* const out = y.data<T>();
  const std::int64_t W = x.size() / rows;
  for_rows(
      "longspan::ops::l2_norm", rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const T* const row = in + r * W;
        const A square = sum_columns<A>(team, static_cast<int>(W), [&](int c) { return A(row[c]) * A(row[c]); });
        const A s = A(1) / Kokkos::sqrt(square + A(kEpsilon));
        for_columns(team, static_cast<int>(W), [&](int c) { out[r * W + c] = T(s * A(row[c])); });
      });
}

// dx = s dy - x (x dy) s^3.
template <class T>
void l2_backward_kernel(const Tensor& x, std::int64_t rows, const Tensor& dy, const Tensor& dx) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const grad = dy.data<T>();
  T* const out = dx.data<T>();
  const std::int64_t W = x.size() / rows;
  for_rows(
      "longspan::ops::l2_norm_backward", rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const T *const row = in + r * W, *const d = grad + r * W;
        const A square = sum_columns<A>(team, static_cast<int>(W), [&](int c) { return A(row[c]) * A(row[c]); });
        const A dot = sum_columns<A>(team, static_cast<int>(W), [&](int c) { return A(row[c]) * A(d[c]); });
        const A s = A(1) / Kokkos::sqrt(square + A(kEpsilon));
        for_columns(team, static_cast<int>(W),
                    [&](int c) { out[r * W + c] = T(s * (A(d[c]) - A(row[c]) * dot * s * s)); });
      });
}

template <class T>
void append_kernel(const Tensor& x, std::int64_t rows, const Tensor& y) {
  const T* const in = x.data<T>();
  T* const out = y.data<T>();
  const std::int64_t W = x.size() / rows;
  for_rows(
      "longspan::ops::append_one", rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        for_columns(team, static_cast<int>(W + 1),
                    [&](int c) { out[r * (W + 1) + c] = c < W ? in[r * W + c] : T(1.0f); });
      });
}

template <class T>
void append_backward_kernel(const Tensor& dy, std::int64_t rows, const Tensor& dx) {
  const T* const in = dy.data<T>();
  T* const out = dx.data<T>();
  const std::int64_t W = dx.size() / rows;
  for_rows(
      "longspan::ops::append_one_backward", rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        for_columns(team, static_cast<int>(W), [&](int c) { out[r * W + c] = in[r * (W + 1) + c]; });
      });
}

template <class T>
void divide_kernel(const Tensor& x, std::int64_t rows, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  T* const out = y.data<T>();
  const std::int64_t W = y.size() / rows;
  for_rows(
      "longspan::ops::divide_by_last", rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const A inverse = A(1) / (A(in[r * (W + 1) + W]) + A(kEpsilon));
        for_columns(team, static_cast<int>(W), [&](int c) { out[r * W + c] = T(A(in[r * (W + 1) + c]) * inverse); });
      });
}

template <class T>
void divide_backward_kernel(const Tensor& x, std::int64_t rows, const Tensor& dy, const Tensor& dx) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const grad = dy.data<T>();
  T* const out = dx.data<T>();
  const std::int64_t W = dy.size() / rows;
  for_rows(
      "longspan::ops::divide_by_last_backward", rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const T* const row = in + r * (W + 1);
        const A inverse = A(1) / (A(row[W]) + A(kEpsilon));
        const A dot = sum_columns<A>(team, static_cast<int>(W), [&](int c) { return A(row[c]) * A(grad[r * W + c]); });
        for_columns(team, static_cast<int>(W + 1), [&](int c) {
          out[r * (W + 1) + c] = T(c < W ? A(grad[r * W + c]) * inverse : -dot * inverse * inverse);
        });
      });
}

// Rows of heads.
std::int64_t head_rows(const char* op, const Tensor& x, std::int64_t heads) {
  LONGSPAN_CHECK(heads > 0 && x.dim(-1) % heads == 0, "[{}] {} has no {} heads", op, x.shape().str(), heads);
  return x.rows() * heads;
}

}  // namespace

void elu_feature_forward(const Tensor& x, const Tensor& y) {
  dispatch_float("elu_feature", x.dtype(), [&]<class T>() { elu_kernel<T>(x, y); });
}
void elu_feature_backward(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  dispatch_float("elu_feature", x.dtype(), [&]<class T>() { elu_backward_kernel<T>(x, dy, dx); });
}

void l2_norm_forward(const Tensor& x, std::int64_t heads, const Tensor& y) {
  const std::int64_t rows = head_rows("l2_norm", x, heads);
  if (rows > 0) dispatch_float("l2_norm", x.dtype(), [&]<class T>() { l2_kernel<T>(x, rows, y); });
}
void l2_norm_backward(const Tensor& x, std::int64_t heads, const Tensor& dy, const Tensor& dx) {
  const std::int64_t rows = head_rows("l2_norm", x, heads);
  if (rows > 0) dispatch_float("l2_norm", x.dtype(), [&]<class T>() { l2_backward_kernel<T>(x, rows, dy, dx); });
}

void append_one_forward(const Tensor& x, std::int64_t heads, const Tensor& y) {
  const std::int64_t rows = head_rows("append_one", x, heads);
  if (rows > 0) dispatch_float("append_one", x.dtype(), [&]<class T>() { append_kernel<T>(x, rows, y); });
}
void append_one_backward(const Tensor& dy, std::int64_t heads, const Tensor& dx) {
  const std::int64_t rows = head_rows("append_one", dx, heads);
  if (rows > 0) dispatch_float("append_one", dy.dtype(), [&]<class T>() { append_backward_kernel<T>(dy, rows, dx); });
}

void divide_by_last_forward(const Tensor& x, std::int64_t heads, const Tensor& y) {
  const std::int64_t rows = head_rows("divide_by_last", y, heads);
  if (rows > 0) dispatch_float("divide_by_last", x.dtype(), [&]<class T>() { divide_kernel<T>(x, rows, y); });
}
void divide_by_last_backward(const Tensor& x, std::int64_t heads, const Tensor& dy, const Tensor& dx) {
  const std::int64_t rows = head_rows("divide_by_last", dy, heads);
  if (rows > 0) {
    dispatch_float("divide_by_last", x.dtype(), [&]<class T>() { divide_backward_kernel<T>(x, rows, dy, dx); });
  }
}

}  // namespace longspan::ops
