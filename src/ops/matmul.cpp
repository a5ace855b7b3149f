#include "ops/matmul.hpp"

#include <algorithm>

#include "base/timer.hpp"
#include "ops/elementwise.hpp"
#include "ops/math.hpp"
#include "ops/matmul_library.hpp"
#include "ops/rows.hpp"
#include "tensor/device.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

double flops_so_far = 0;

struct Used {
  std::int64_t rows, cols;
};
// The size of a matrix as the product uses it.
Used used(const MatrixRef& x) { return x.transposed ? Used{x.cols, x.rows} : Used{x.rows, x.cols}; }

bool is_float(Dtype d) { return d == Dtype::float64 || d == Dtype::float32 || d == Dtype::bfloat16; }

void check(const MatrixRef& a, const MatrixRef& b, const MatrixRef& c, const MatmulOptions& options) {
  const Used ua = used(a), ub = used(b);
  LONGSPAN_CHECK(!c.transposed, "[matmul] c must not be transposed");
  LONGSPAN_CHECK(ua.cols == ub.rows && ua.rows == c.rows && ub.cols == c.cols,
                 "[matmul] [{}, {}] x [{}, {}] does not give [{}, {}]", ua.rows, ua.cols, ub.rows, ub.cols, c.rows,
                 c.cols);
  LONGSPAN_CHECK(is_float(a.dtype) && a.dtype == b.dtype, "[matmul] cannot multiply {} by {}", to_string(a.dtype),
                 to_string(b.dtype));
  LONGSPAN_CHECK(c.dtype == a.dtype || c.dtype == accumulation_dtype(a.dtype), "[matmul] {} products do not go to {}",
                 to_string(a.dtype), to_string(c.dtype));
  for (const MatrixRef* x : {&a, &b, &c}) {
    LONGSPAN_CHECK(x->leading >= x->cols, "[matmul] {} elements to the next row of {} columns", x->leading, x->cols);
  }
  LONGSPAN_CHECK(options.batch >= 0 && (options.batch <= 1 || c.rows * c.cols == 0 ||
                                        c.batch_stride >= (c.rows - 1) * c.leading + c.cols),
                 "[matmul] {} results with batch stride {} overlap", options.batch, c.batch_stride);
  LONGSPAN_CHECK(!options.accumulate || (!options.bias && options.activation == Activation::none),
                 "[matmul] accumulation takes no bias and no activation");
  LONGSPAN_CHECK(!options.bias || (options.bias->size() == c.cols && options.bias->dtype() == a.dtype),
                 "[matmul] bias must be {} of {} entries, got {} {}", to_string(a.dtype), c.cols,
                 to_string(options.bias->dtype()), options.bias->shape().str());
}

// Every row of the batch's results = the bias, or 0 without one.
template <class T, class B>
void write_bias(const MatrixRef& c, std::int64_t batch, const Tensor* bias) {
  T* const out = static_cast<T*>(c.data);
  const B* const values = bias ? bias->data<B>() : nullptr;
  const std::int64_t rows = c.rows, cols = c.cols, leading = c.leading, stride = c.batch_stride;
  for_rows(
      "longspan::ops::matmul_bias", batch * rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        T* const row = out + r / rows * stride + r % rows * leading;
        for_columns(team, static_cast<int>(cols), [&](int j) { row[j] = values ? T(values[j]) : T(0.0f); });
      });
}

template <class T>
void activate(const MatrixRef& c, std::int64_t batch, Activation kind) {
  using A = accumulation_t<T>;
  T* const out = static_cast<T*>(c.data);
  const std::int64_t rows = c.rows, cols = c.cols, leading = c.leading, stride = c.batch_stride;
  for_rows(
      "longspan::ops::matmul_activation", batch * rows, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        T* const row = out + r / rows * stride + r % rows * leading;
        for_columns(team, static_cast<int>(cols), [&](int j) {
          const A x = row[j];
          row[j] = T(kind == Activation::gelu ? math::gelu(x) : math::silu(x));
        });
      });
}

// c = act(bias): what is left of a product over no columns.
template <class B>
void empty_product(const MatrixRef& c, const MatmulOptions& options) {
  dispatch_float("matmul", c.dtype, [&]<class T>() {
    write_bias<T, B>(c, options.batch, options.bias);
    if (options.activation != Activation::none) activate<T>(c, options.batch, options.activation);
  });
}

// The bias first and the product added to it, then the activation.
void multiply_in_steps(const detail::MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                       const MatmulOptions& options) {
  if (options.bias) {
    dispatch_float("matmul", a.dtype, [&]<class B>() {
      dispatch_float("matmul", c.dtype, [&]<class T>() { write_bias<T, B>(c, options.batch, options.bias); });
    });
  }
  const bool add = options.accumulate || options.bias != nullptr;
  detail::multiply(size, a, b, c, {.accumulate = add, .batch = options.batch});
  if (options.activation == Activation::none) return;
  dispatch_float("matmul", c.dtype, [&]<class T>() { activate<T>(c, options.batch, options.activation); });
}

}  // namespace

MatrixRef::MatrixRef(const Tensor& t)
    : data(t.raw()), dtype(t.dtype()), rows(t.rows()), cols(t.dim(-1)), leading(t.dim(-1)) {}

void matmul(const MatrixRef& a, const MatrixRef& b, const MatrixRef& c, const MatmulOptions& options) {
  check(a, b, c, options);
  const detail::MatmulSize size = {c.rows, c.cols, used(a).cols};
  if (size.m == 0 || size.n == 0 || options.batch == 0) return;
  if (size.k == 0) {
    if (!options.accumulate) dispatch_float("matmul", a.dtype, [&]<class B>() { empty_product<B>(c, options); });
    return;
  }
  const double flops = 2.0 * static_cast<double>(size.m) * static_cast<double>(size.n) * static_cast<double>(size.k) *
                       static_cast<double>(options.batch);
  detail::count_flops(flops);
  const bool steps = options.bias != nullptr || options.activation != Activation::none;
  if (steps && !detail::is_fused(a, c, options)) {
    multiply_in_steps(size, a, b, c, options);
  } else {
    detail::multiply(size, a, b, c, options);
  }
}

double matmul_flops() { return flops_so_far; }
void detail::count_flops(double flops) { flops_so_far += shape_only() ? 0 : flops; }

double measure_matrix_rate(Dtype dtype, std::int64_t m, std::int64_t n, std::int64_t k, double seconds) {
  const double before = flops_so_far;
  const Tensor a = Tensor::empty({m, k}, dtype, Memory::workspace, "matrix rate"),
               b = Tensor::empty({k, n}, dtype, Memory::workspace, "matrix rate"),
               c = Tensor::empty({m, n}, dtype, Memory::workspace, "matrix rate");
  fill_normal(a, 1, 1.0, k, 0, {0, 0, k});
  fill_normal(b, 2, 1.0, n, 0, {0, 0, n});
  const auto multiply = [&] { matmul(MatrixRef(a), MatrixRef(b), MatrixRef(c)); };
  multiply();
  // Best of rounds of about a tenth of the time, so that a busy moment of the machine does not count.
  double best = 0;
  const Timer whole;
  do {
    const Timer timer;
    std::int64_t calls = 0;
    do {
      multiply();
      device::fence();
      ++calls;
    } while (timer.seconds() < 0.1 * seconds);
    best = std::max(best, 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) *
                              static_cast<double>(calls) / timer.seconds());
  } while (whole.seconds() < seconds);
  flops_so_far = before;
  return best;
}

}  // namespace longspan::ops
