#include "ops/norm.hpp"

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class T>
void layer_norm_forward_kernel(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                               const Tensor& y, const Tensor& mean, const Tensor& rstd) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const w = weight.data<T>(), *const b = bias.data<T>();
  T* const out = y.data<T>();
  A *const means = mean.data<A>(), *const rstds = rstd.data<A>();
  const int cols = static_cast<int>(x.dim(-1));
  const A eps = A(epsilon), inverse = A(1.0 / cols);
  for_rows(
      "longspan::ops::layer_norm_forward", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const T* const row = in + r * cols;
        T* const to = out + r * cols;
        const A m = inverse * sum_columns<A>(team, cols, [&](int c) { return A(row[c]); });
        const A var = inverse * sum_columns<A>(team, cols, [&](int c) {
                        const A d = A(row[c]) - m;
                        return d * d;
                      });
        const A s = A(1) / Kokkos::sqrt(var + eps);
        write_columns(team, cols, to, [&](int c) { return (A(row[c]) - m) * s * A(w[c]) + A(b[c]); });
        means[r] = m;
        rstds[r] = s;
      });
}

// With n = (x - mean) rstd and g = dy w:  dx = rstd (g - mean(g) - n mean(g n)),  dweight += dy n,  dbias += dy.
template <class T>
void layer_norm_backward_kernel(const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                                const Tensor& dy, const Tensor& dx, bool accumulate, const Tensor& dweight,
                                const Tensor& dbias) {
  using A = accumulation_t<T>;
  const std::int64_t rows = x.rows(), blocks = count_blocks(rows, kRowBlock);
  const int cols = static_cast<int>(x.dim(-1));
  const Tensor partials = Tensor::zeros({2, blocks, cols}, dtype_of<A>(), Memory::workspace, "norm gradients");
  const T *const in = x.data<T>(), *const w = weight.data<T>(), *const grad = dy.data<T>();
  const A *const means = mean.data<A>(), *const rstds = rstd.data<A>();
  T* const out = dx.data<T>();
  A *const dweights = partials.data<A>(), *const dbiases = dweights + blocks * cols;
  const A inverse = A(1.0 / cols);
  for_rows(
      "longspan::ops::layer_norm_backward", blocks, KOKKOS_LAMBDA(const Team& team, std::int64_t block) {
        const std::int64_t first = block * kRowBlock, end = end_of_block(first, rows);
        A *const dwb = dweights + block * cols, *const dbb = dbiases + block * cols;
        for (std::int64_t r = first; r < end; ++r) {
          const T *const row = in + r * cols, *const d = grad + r * cols;
          T* const to = out + r * cols;
          const A m = means[r], s = rstds[r];
          const Two<A> sums = sum_two<A>(team, cols, [&](int c) {
            const A gc = A(d[c]) * A(w[c]);
            return Two<A>{gc, gc * (A(row[c]) - m)};
          });
          const A g = inverse * sums.first, gn = inverse * s * sums.second;
          write_columns(team, cols, to, [&](int c) {
            const A n = (A(row[c]) - m) * s, dc = A(d[c]);
            const A value = s * (dc * A(w[c]) - g - n * gn);
            dwb[c] += dc * n;
            dbb[c] += dc;
            return accumulate ? A(to[c]) + value : value;
          });
        }
      });
  add_partials(dweights, blocks, cols, dweight.data<A>());
  add_partials(dbiases, blocks, cols, dbias.data<A>());
}

template <class T>
void rms_norm_forward_kernel(const Tensor& x, const Tensor& weight, double epsilon, const Tensor& y,
                             const Tensor& rstd) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const w = weight.data<T>();
  T* const out = y.data<T>();
  A* const rstds = rstd.data<A>();
  const int cols = static_cast<int>(x.dim(-1));
  const A eps = A(epsilon), inverse = A(1.0 / cols);
  for_rows(
      "longspan::ops::rms_norm_forward", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const T* const row = in + r * cols;
        T* const to = out + r * cols;
        const A square = inverse * sum_columns<A>(team, cols, [&](int c) { return A(row[c]) * A(row[c]); });
        const A s = A(1) / Kokkos::sqrt(square + eps);
        write_columns(team, cols, to, [&](int c) { return A(row[c]) * s * A(w[c]); });
        rstds[r] = s;
      });
}

// With n = x rstd and g = dy w:  dx = rstd (g - n mean(g n)),  dweight += dy n.
template <class T>
void rms_norm_backward_kernel(const Tensor& x, const Tensor& weight, const Tensor& rstd, const Tensor& dy,
                              const Tensor& dx, bool accumulate, const Tensor& dweight) {
  using A = accumulation_t<T>;
  const std::int64_t rows = x.rows(), blocks = count_blocks(rows, kRowBlock);
  const int cols = static_cast<int>(x.dim(-1));
  const Tensor partials = Tensor::zeros({blocks, cols}, dtype_of<A>(), Memory::workspace, "norm gradients");
  const T *const in = x.data<T>(), *const w = weight.data<T>(), *const grad = dy.data<T>();
  const A* const rstds = rstd.data<A>();
  T* const out = dx.data<T>();
  A* const dweights = partials.data<A>();
  const A inverse = A(1.0 / cols);
  for_rows(
      "longspan::ops::rms_norm_backward", blocks, KOKKOS_LAMBDA(const Team& team, std::int64_t block) {
        const std::int64_t first = block * kRowBlock, end = end_of_block(first, rows);
        A* const dwb = dweights + block * cols;
        for (std::int64_t r = first; r < end; ++r) {
          const T *const row = in + r * cols, *const d = grad + r * cols;
          T* const to = out + r * cols;
          const A s = rstds[r];
          const A gn = inverse * s * sum_columns<A>(team, cols, [&](int c) { return A(d[c]) * A(w[c]) * A(row[c]); });
          write_columns(team, cols, to, [&](int c) {
            const A n = A(row[c]) * s, dc = A(d[c]);
            const A value = s * (dc * A(w[c]) - n * gn);
            dwb[c] += dc * n;
            return accumulate ? A(to[c]) + value : value;
          });
        }
      });
  add_partials(dweights, blocks, cols, dweight.data<A>());
}

void check(const char* op, const Tensor& x, const Tensor& weight, std::initializer_list<const Tensor*> like_x,
           std::initializer_list<const Tensor*> like_weight, std::initializer_list<const Tensor*> like_rows) {
  const std::int64_t cols = x.dim(-1);
  LONGSPAN_CHECK(weight.size() == cols, "[{}] weight must have {} entries, got {}", op, cols, weight.size());
  for (const Tensor* t : like_x) {
    LONGSPAN_CHECK(t->shape() == x.shape(), "[{}] shapes {} and {} differ", op, x.shape().str(), t->shape().str());
  }
  for (const Tensor* t : like_weight) {
    LONGSPAN_CHECK(t->size() == cols, "[{}] {} entries for {} columns", op, t->size(), cols);
  }
  for (const Tensor* t : like_rows) {
    LONGSPAN_CHECK(t->size() == x.rows(), "[{}] {} statistics for {} rows", op, t->size(), x.rows());
  }
}

}  // namespace

void layer_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, const Tensor& y,
                        const Tensor& mean, const Tensor& rstd) {
  check("layer_norm", x, weight, {&y}, {&bias}, {&mean, &rstd});
  dispatch_float("layer_norm", x.dtype(),
                 [&]<class T>() { layer_norm_forward_kernel<T>(x, weight, bias, epsilon, y, mean, rstd); });
}

void layer_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                         const Tensor& dy, const Tensor& dx, bool accumulate, const Tensor& dweight,
                         const Tensor& dbias) {
  check("layer_norm", x, weight, {&dy, &dx}, {&dweight, &dbias}, {&mean, &rstd});
  dispatch_float("layer_norm", x.dtype(), [&]<class T>() {
    layer_norm_backward_kernel<T>(x, weight, mean, rstd, dy, dx, accumulate, dweight, dbias);
  });
}

void rms_norm_forward(const Tensor& x, const Tensor& weight, double epsilon, const Tensor& y, const Tensor& rstd) {
  check("rms_norm", x, weight, {&y}, {}, {&rstd});
  dispatch_float("rms_norm", x.dtype(), [&]<class T>() { rms_norm_forward_kernel<T>(x, weight, epsilon, y, rstd); });
}

void rms_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& rstd, const Tensor& dy, const Tensor& dx,
                       bool accumulate, const Tensor& dweight) {
  check("rms_norm", x, weight, {&dy, &dx}, {&dweight}, {&rstd});
  dispatch_float("rms_norm", x.dtype(),
                 [&]<class T>() { rms_norm_backward_kernel<T>(x, weight, rstd, dy, dx, accumulate, dweight); });
}

}  // namespace longspan::ops
