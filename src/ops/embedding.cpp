#include "ops/embedding.hpp"

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class T>
void forward_kernel(const Tensor& table, const Tensor& index, std::int64_t first, const Tensor& y) {
  const T* const rows = table.data<T>();
  const std::int32_t* const at = index.data<std::int32_t>();
  T* const out = y.data<T>();
  const std::int64_t count = table.dim(0);
  const int cols = static_cast<int>(table.dim(-1));
  for_rows(
      "longspan::ops::embedding_forward", index.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t n) {
        const std::int64_t local = at[n] - first;
        T* const to = out + n * cols;
        if (local >= 0 && local < count) {
          for_columns(team, cols, [&](int c) { to[c] = rows[local * cols + c]; });
        } else {
          for_columns(team, cols, [&](int c) { to[c] = T(0.0f); });
        }
      });
}

// Many rows of dy may meet in one row of the table. A team owns a strip of columns and adds all rows there in order.
template <class T>
void backward_kernel(const Tensor& dy, const Tensor& index, std::int64_t first, const Tensor& dtable) {
  using A = accumulation_t<T>;
  constexpr std::int64_t kWidth = kOnHost ? 256 : kTeamSize;
  const T* const grad = dy.data<T>();
  const std::int32_t* const at = index.data<std::int32_t>();
  A* const out = dtable.data<A>();
  const std::int64_t rows = index.size(), count = dtable.dim(0), cols = dtable.dim(-1);
  for_rows(
      "longspan::ops::embedding_backward", count_blocks(cols, kWidth),
      KOKKOS_LAMBDA(const Team& team, std::int64_t strip) {
        const std::int64_t start = strip * kWidth, left = cols - start;
        const int width = static_cast<int>(left < kWidth ? left : kWidth);
        for (std::int64_t n = 0; n < rows; ++n) {
          const std::int64_t local = at[n] - first;
          if (local < 0 || local >= count) continue;
          A* const to = out + local * cols + start;
          const T* const from = grad + n * cols + start;
          for_columns(team, width, [&](int c) { to[c] += A(from[c]); });
        }
      });
}

void check(const Tensor& table, const Tensor& index, const Tensor& y) {
  LONGSPAN_CHECK(table.shape().rank() == 2, "[embedding] the table must be [R, D], got {}", table.shape().str());
  LONGSPAN_CHECK(y.rows() == index.size() && y.dim(-1) == table.dim(1), "[embedding] {} indices of {} do not give {}",
                 index.size(), table.shape().str(), y.shape().str());
}

}  // namespace

void embedding_forward(const Tensor& table, const Tensor& index, std::int64_t first, const Tensor& y) {
  check(table, index, y);
  dispatch_float("embedding", table.dtype(), [&]<class T>() { forward_kernel<T>(table, index, first, y); });
}

void embedding_backward(const Tensor& dy, const Tensor& index, std::int64_t first, const Tensor& dtable) {
  check(dtable, index, dy);
  dispatch_float("embedding", dy.dtype(), [&]<class T>() { backward_kernel<T>(dy, index, first, dtable); });
}

}  // namespace longspan::ops
