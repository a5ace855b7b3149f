#include "ops/gather_rows.hpp"

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class T>
void gather_kernel(const Tensor& x, const Tensor& index, const Tensor& y) {
  const T* const in = x.data<T>();
  const auto* const from = index.data<std::int64_t>();
  T* const out = y.data<T>();
  const std::int64_t cols = y.dim(-1);
  for_rows(
      "longspan::ops::gather_rows", y.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const std::int64_t source = from[r];
        for_columns(team, static_cast<int>(cols),
                    [&](int c) { out[r * cols + c] = source < 0 ? T(0.0f) : in[source * cols + c]; });
      });
}

template <class T>
void scatter_kernel(const Tensor& y, const Tensor& index, const Tensor& x) {
  const T* const in = y.data<T>();
  const auto* const to = index.data<std::int64_t>();
  T* const out = x.data<T>();
  const std::int64_t cols = y.dim(-1);
  for_rows(
      "longspan::ops::scatter_rows", y.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const std::int64_t target = to[r];
        for_columns(team, static_cast<int>(cols), [&](int c) { out[target * cols + c] = in[r * cols + c]; });
      });
}

template <class T>
void add_kernel(const Tensor& y, const Tensor& order, const Tensor& starts, const Tensor& x) {
  using A = accumulation_t<T>;
  const T* const in = y.data<T>();
  const auto *const sorted = order.data<std::int64_t>(), *const first = starts.data<std::int64_t>();
  T* const out = x.data<T>();
  const std::int64_t cols = x.dim(-1);
  for_rows(
      "longspan::ops::add_rows", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        for (std::int64_t i = first[r]; i < first[r + 1]; ++i) {
          const T* const row = in + sorted[i] * cols;
          for_columns(team, static_cast<int>(cols),
                      [&](int c) { out[r * cols + c] = T(A(out[r * cols + c]) + A(row[c])); });
        }
      });
}

void check(const char* op, const Tensor& x, const Tensor& index, const Tensor& y) {
  LONGSPAN_CHECK(x.dim(-1) == y.dim(-1) && index.size() == y.rows() && x.dtype() == y.dtype(),
                 "[{}] {} rows by number for {} and {}", op, index.size(), x.shape().str(), y.shape().str());
}

}  // namespace

void gather_rows(const Tensor& x, const Tensor& index, const Tensor& y) {
  check("gather_rows", x, index, y);
  dispatch_float("gather_rows", x.dtype(), [&]<class T>() { gather_kernel<T>(x, index, y); });
}

void scatter_rows(const Tensor& y, const Tensor& index, const Tensor& x) {
  check("scatter_rows", x, index, y);
  dispatch_float("scatter_rows", x.dtype(), [&]<class T>() { scatter_kernel<T>(y, index, x); });
}

void add_rows(const Tensor& y, const Tensor& order, const Tensor& starts, const Tensor& x) {
  check("add_rows", x, order, y);
  LONGSPAN_CHECK(starts.size() == x.rows() + 1, "[add_rows] {} starts for {}", starts.size(), x.shape().str());
  dispatch_float("add_rows", x.dtype(), [&]<class T>() { add_kernel<T>(y, order, starts, x); });
}

}  // namespace longspan::ops
