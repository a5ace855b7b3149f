#include "ops/elementwise.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"
#include "tensor/random.hpp"

namespace longspan::ops {
namespace {

template <class T>
void fill_kernel(const Tensor& x, double value) {
  T* const out = x.data<T>();
  const T v = T(value);
  for_elements("longspan::ops::fill", x.size(), KOKKOS_LAMBDA(std::int64_t i) { out[i] = v; });
}

template <class T, class U>
void copy_kernel(const Tensor& from, const Tensor& to) {
  const T* const in = from.data<T>();
  U* const out = to.data<U>();
  for_elements(
      "longspan::ops::copy", to.size(), KOKKOS_LAMBDA(std::int64_t i) { out[i] = U(accumulation_t<T>(in[i])); });
}

template <class T>
void add_kernel(const Tensor& a, const Tensor& b, const Tensor& sum) {
  using A = accumulation_t<T>;
  const T *const x = a.data<T>(), *const y = b.data<T>();
  T* const out = sum.data<T>();
  for_elements("longspan::ops::add", sum.size(), KOKKOS_LAMBDA(std::int64_t i) { out[i] = T(A(x[i]) + A(y[i])); });
}

template <class T, class U>
void add_scaled_kernel(const Tensor& x, double factor, const Tensor& y) {
  using A = accumulation_t<U>;
  const T* const in = x.data<T>();
  U* const out = y.data<U>();
  const A f = A(factor);
  for_elements(
      "longspan::ops::add_scaled", y.size(),
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = U(A(out[i]) + f * A(accumulation_t<T>(in[i]))); });
}

template <class T>
void scale_kernel(const Tensor& x, double factor) {
  using A = accumulation_t<T>;
  T* const out = x.data<T>();
  const A f = A(factor);
  for_elements("longspan::ops::scale", x.size(), KOKKOS_LAMBDA(std::int64_t i) { out[i] = T(f * A(out[i])); });
}

template <class T>
void multiply_kernel(const Tensor& x, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  T* const out = y.data<T>();
  for_elements(
      "longspan::ops::multiply_elements", y.size(),
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = T(A(in[i]) * A(out[i])); });
}

template <class T>
void repeat_row_kernel(const Tensor& row, const Tensor& x) {
  const double* const in = row.data<double>();
  T* const out = x.data<T>();
  const std::int64_t cols = row.size();
  for_elements("longspan::ops::repeat_row", x.size(), KOKKOS_LAMBDA(std::int64_t i) { out[i] = T(in[i % cols]); });
}

// to[r, to_first + c] = from[r, from_first + c], c < cols.
template <class T>
void copy_columns_kernel(const Tensor& from, std::int64_t from_first, const Tensor& to, std::int64_t to_first,
                         std::int64_t cols) {
  const std::int64_t in_width = from.dim(-1), out_width = to.dim(-1);
  const T* const in = from.data<T>() + from_first;
  T* const out = to.data<T>() + to_first;
  for_rows(
      "longspan::ops::copy_columns", to.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        for_columns(team, static_cast<int>(cols), [&](int c) { out[r * out_width + c] = in[r * in_width + c]; });
      });
}

template <class T>
void column_sums_kernel(const Tensor& x, const Tensor& out) {
  using A = accumulation_t<T>;
  const std::int64_t rows = x.rows(), cols = x.dim(-1), blocks = count_blocks(rows, kRowBlock);
  const Tensor partials = Tensor::empty({blocks, cols}, dtype_of<A>(), Memory::workspace, "column sums");
  const T* const in = x.data<T>();
  A* const part = partials.data<A>();
  for_rows(
      "longspan::ops::add_column_sums", blocks, KOKKOS_LAMBDA(const Team& team, std::int64_t b) {
        const std::int64_t first = b * kRowBlock, end = end_of_block(first, rows);
        A* const sums = part + b * cols;
        for_columns(team, static_cast<int>(cols), [&](int c) { sums[c] = A(in[first * cols + c]); });
        for (std::int64_t r = first + 1; r < end; ++r) {
          for_columns(team, static_cast<int>(cols), [&](int c) { sums[c] += A(in[r * cols + c]); });
        }
      });
  add_partials(part, blocks, cols, out.data<A>());
}

// One double for each block of elements.
Tensor make_block_results(std::int64_t blocks) {
  return Tensor::empty({blocks}, Dtype::float64, Memory::workspace, "reduction");
}

template <class T>
void block_sums_kernel(const Tensor& x, const Tensor& results) {
  const T* const in = x.data<T>();
  double* const out = results.data<double>();
  const std::int64_t n = x.size();
  for_rows(
      "longspan::ops::block_sums", results.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t b) {
        const std::int64_t first = b * kElementBlock, left = n - first;
        const int count = static_cast<int>(left < kElementBlock ? left : kElementBlock);
        const T* const row = in + first;
        out[b] = sum_columns<double>(team, count, [&](int i) { return static_cast<double>(row[i]); });
      });
}

void add_in_order(const Tensor& parts, const Tensor& total) {
  const double* const in = parts.data<double>();
  double* const out = total.data<double>();
  const std::int64_t n = parts.size();
  for_elements(
      "longspan::ops::add_in_order", 1, KOKKOS_LAMBDA(std::int64_t i) {
        double sum = 0;
        for (std::int64_t b = 0; b < n; ++b) sum += in[b];
        out[i] += sum;
      });
}

// What kernel(x, results) finds for the blocks of each tensor.
template <class Kernel>
std::vector<double> block_results(const std::vector<Tensor>& tensors, const Kernel& kernel) {
  std::int64_t blocks = 0;
  for (const Tensor& x : tensors) blocks += count_blocks(x.size(), kElementBlock);
  const Tensor results = make_block_results(blocks);
  std::int64_t first = 0;
  for (const Tensor& x : tensors) {
    const std::int64_t count = count_blocks(x.size(), kElementBlock);
    kernel(x, results.slice(first, count));
    first += count;
  }
  return results.to_host<double>();
}

template <class T>
void squares_kernel(const Tensor& x, const Tensor& results) {
  const T* const in = x.data<T>();
  double* const out = results.data<double>();
  const std::int64_t n = x.size();
  for_rows(
      "longspan::ops::sum_of_squares", results.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t b) {
        const std::int64_t first = b * kElementBlock, left = n - first;
        const int count = static_cast<int>(left < kElementBlock ? left : kElementBlock);
        const T* const row = in + first;
        out[b] = sum_columns<double>(team, count, [&](int i) {
          const double v = static_cast<double>(accumulation_t<T>(row[i]));
          return v * v;
        });
      });
}

// The largest |x|, where what is no number counts as infinite.
template <class T>
void max_absolute_kernel(const Tensor& x, const Tensor& results) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  double* const out = results.data<double>();
  const std::int64_t n = x.size();
  constexpr A finite = Kokkos::Experimental::finite_max_v<A>;
  for_rows(
      "longspan::ops::max_absolute", results.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t b) {
        const std::int64_t first = b * kElementBlock, left = n - first;
        const int count = static_cast<int>(left < kElementBlock ? left : kElementBlock);
        const T* const row = in + first;
        const A largest = max_columns<A>(team, count, [&](int i) { return Kokkos::abs(A(row[i])); });
        const int bad = sum_columns<int>(team, count, [&](int i) { return Kokkos::abs(A(row[i])) <= finite ? 0 : 1; });
        out[b] = bad == 0 ? largest : Kokkos::Experimental::infinity_v<A>;
      });
}

// Normal values in double on every dtype; the counter is the element's index in the logical matrix.
template <class T>
void fill_normal_kernel(const Tensor& x, std::uint64_t key, double deviation, std::int64_t global_cols,
                        std::int64_t first_row, const PositionRun& columns) {
  T* const out = x.data<T>() + columns.row;
  const std::int64_t cols = x.dim(-1), first = columns.first, stride = columns.stride;
  const int count = static_cast<int>(columns.count);
  for_rows(
      "longspan::ops::fill_normal", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const std::int64_t start = (first_row + r) * global_cols + first;
        for_columns(team, count, [&](int c) {
          out[r * cols + c] = T(deviation * normal_double(key, static_cast<std::uint64_t>(start + c * stride)));
        });
      });
}

void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  LONGSPAN_CHECK(a.shape() == b.shape(), "[{}] shapes {} and {} differ", op, a.shape().str(), b.shape().str());
}

}  // namespace

void fill(const Tensor& x, double value) {
  dispatch_float("fill", x.dtype(), [&]<class T>() { fill_kernel<T>(x, value); });
}

void copy(const Tensor& from, const Tensor& to) {
  check_same_shape("copy", from, to);
  dispatch_float("copy", from.dtype(), [&]<class T>() {
    dispatch_float("copy", to.dtype(), [&]<class U>() { copy_kernel<T, U>(from, to); });
  });
}

void add(const Tensor& a, const Tensor& b, const Tensor& sum) {
  check_same_shape("add", a, b);
  check_same_shape("add", a, sum);
  dispatch_float("add", a.dtype(), [&]<class T>() { add_kernel<T>(a, b, sum); });
}

void add_scaled(const Tensor& x, double factor, const Tensor& y) {
  check_same_shape("add_scaled", x, y);
  dispatch_float("add_scaled", x.dtype(), [&]<class T>() {
    dispatch_float("add_scaled", y.dtype(), [&]<class U>() { add_scaled_kernel<T, U>(x, factor, y); });
  });
}

void scale(const Tensor& x, double factor) {
  dispatch_float("scale", x.dtype(), [&]<class T>() { scale_kernel<T>(x, factor); });
}

void multiply_elements(const Tensor& x, const Tensor& y) {
  check_same_shape("multiply_elements", x, y);
  dispatch_float("multiply_elements", x.dtype(), [&]<class T>() { multiply_kernel<T>(x, y); });
}

void repeat_row(const Tensor& row, const Tensor& x) {
  LONGSPAN_CHECK(row.size() == x.dim(-1), "[repeat_row] {} entries for the rows of {}", row.size(), x.shape().str());
  dispatch_float("repeat_row", x.dtype(), [&]<class T>() { repeat_row_kernel<T>(row, x); });
}

void copy_columns(const Tensor& from, std::int64_t first, const Tensor& to) {
  LONGSPAN_CHECK(from.rows() == to.rows() && first >= 0 && first + to.dim(-1) <= from.dim(-1),
                 "[copy_columns] columns from {} of {} do not fill {}", first, from.shape().str(), to.shape().str());
  dispatch_float("copy_columns", from.dtype(),
                 [&]<class T>() { copy_columns_kernel<T>(from, first, to, 0, to.dim(-1)); });
}

void write_columns(const Tensor& from, const Tensor& to, std::int64_t first) {
  LONGSPAN_CHECK(from.rows() == to.rows() && first >= 0 && first + from.dim(-1) <= to.dim(-1),
                 "[write_columns] {} does not fit columns from {} of {}", from.shape().str(), first, to.shape().str());
  dispatch_float("write_columns", from.dtype(),
                 [&]<class T>() { copy_columns_kernel<T>(from, 0, to, first, from.dim(-1)); });
}

void add_column_sums(const Tensor& x, const Tensor& out) {
  LONGSPAN_CHECK(out.size() == x.dim(-1), "[add_column_sums] {} sums for columns of {}", out.size(), x.shape().str());
  dispatch_float("add_column_sums", x.dtype(), [&]<class T>() { column_sums_kernel<T>(x, out); });
}

double sum_of_squares(const std::vector<Tensor>& tensors) {
  double sum = 0;
  for (const double part : block_results(tensors, [](const Tensor& x, const Tensor& results) {
         dispatch_float("sum_of_squares", x.dtype(), [&]<class T>() { squares_kernel<T>(x, results); });
       })) {
    sum += part;
  }
  return sum;
}

double max_absolute(const std::vector<Tensor>& tensors) {
  double largest = 0;
  for (const double part : block_results(tensors, [](const Tensor& x, const Tensor& results) {
         dispatch_float("max_absolute", x.dtype(), [&]<class T>() { max_absolute_kernel<T>(x, results); });
       })) {
    largest = std::max(largest, part);
  }
  return largest;
}

void add_sum(const Tensor& x, const Tensor& total) {
  LONGSPAN_CHECK(total.size() == 1 && total.dtype() == Dtype::float64, "[add_sum] a total of {} {}",
                 total.shape().str(), to_string(total.dtype()));
  const Tensor parts = make_block_results(count_blocks(x.size(), kElementBlock));
  if (x.dtype() == Dtype::int32) {
    block_sums_kernel<std::int32_t>(x, parts);
  } else {
    dispatch_accumulation("add_sum", x.dtype(), [&]<class A>() { block_sums_kernel<A>(x, parts); });
  }
  add_in_order(parts, total);
}

bool all_finite(const Tensor& x) { return max_absolute({x}) <= std::numeric_limits<double>::max(); }

void fill_normal(const Tensor& x, std::uint64_t key, double deviation, std::int64_t global_cols, std::int64_t first_row,
                 const PositionRun& columns) {
  LONGSPAN_CHECK(first_row >= 0 && columns.first >= 0 && (columns.count == 0 || columns.last() < global_cols),
                 "[fill_normal] columns from {} lie outside {}", columns.first, global_cols);
  LONGSPAN_CHECK(columns.row >= 0 && columns.row + columns.count <= x.dim(-1),
                 "[fill_normal] {} columns from {} do not fit {}", columns.count, columns.row, x.shape().str());
  dispatch_float("fill_normal", x.dtype(),
                 [&]<class T>() { fill_normal_kernel<T>(x, key, deviation, global_cols, first_row, columns); });
}

}  // namespace longspan::ops
