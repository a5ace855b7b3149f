#include "ops/gates.hpp"

#include "ops/elementwise.hpp"
#include "ops/math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class A>
KOKKOS_INLINE_FUNCTION A softplus(A x) {
  return x > A(20) ? x : Kokkos::log1p(math::exp(x));
}

// log(sigmoid(z)) = -softplus(-z), whose exponential is never of a large number.
struct LogSigmoid {
  template <class A>
  KOKKOS_INLINE_FUNCTION static A value(A z) {
    return (z < A(0) ? z : A(0)) - Kokkos::log1p(math::exp(z < A(0) ? z : -z));
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static A derivative(A z) {
    return math::sigmoid(-z);
  }
};
struct Sigmoid {
  template <class A>
  KOKKOS_INLINE_FUNCTION static A value(A z) {
    return math::sigmoid(z);
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static A derivative(A z) {
    const A s = math::sigmoid(z);
    return s * (A(1) - s);
  }
};

template <class T, class F>
void unary_kernel(const Tensor& z, double factor, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = z.data<T>();
  A* const out = y.data<A>();
  const A f = A(factor);
  for_elements("longspan::ops::gate", z.size(), KOKKOS_LAMBDA(std::int64_t i) { out[i] = f * F::value(A(in[i])); });
}

template <class T, class F>
void unary_backward_kernel(const Tensor& z, double factor, const Tensor& dy, const Tensor& dz) {
  using A = accumulation_t<T>;
  const T* const in = z.data<T>();
  const A* const grad = dy.data<A>();
  T* const out = dz.data<T>();
  const A f = A(factor);
  for_elements(
      "longspan::ops::gate_backward", z.size(),
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = T(f * grad[i] * F::derivative(A(in[i]))); });
}

template <class T>
void softplus_kernel(const Tensor& z, const Tensor& bias, const Tensor& y) {
  using A = accumulation_t<T>;
  const T *const in = z.data<T>(), *const b = bias.data<T>();
  A* const out = y.data<A>();
  const std::int64_t H = bias.size();
  for_elements(
      "longspan::ops::softplus", z.size(),
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = softplus(A(in[i]) + A(b[i % H])); });
}

template <class T>
void softplus_backward_kernel(const Tensor& z, const Tensor& bias, const Tensor& dy, const Tensor& dz) {
  using A = accumulation_t<T>;
  const T *const in = z.data<T>(), *const b = bias.data<T>();
  const A* const grad = dy.data<A>();
  T* const out = dz.data<T>();
  const std::int64_t H = bias.size();
  for_elements(
      "longspan::ops::softplus_backward", z.size(),
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = T(grad[i] * math::sigmoid(A(in[i]) + A(b[i % H]))); });
}

// y = -exp(log_rate_h) x: of a step its decay, of the decay's gradient the step's.
template <class T>
void rate_kernel(const Tensor& x, const Tensor& log_rate, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const rate = log_rate.data<T>();
  const A* const in = x.data<A>();
  A* const out = y.data<A>();
  const std::int64_t H = log_rate.size();
  for_elements(
      "longspan::ops::step_decay", x.size(),
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = -math::exp(A(rate[i % H])) * in[i]; });
}

template <class T>
void scale_heads_kernel(const Tensor& x, const Tensor& s, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  const A* const factors = s.data<A>();
  T* const out = y.data<T>();
  const std::int64_t W = x.size() / s.size();
  for_rows(
      "longspan::ops::scale_heads", s.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const A f = factors[r];
        for_columns(team, static_cast<int>(W), [&](int c) { out[r * W + c] = T(f * A(in[r * W + c])); });
      });
}

template <class T>
void scale_heads_backward_kernel(const Tensor& x, const Tensor& s, const Tensor& dy, const Tensor& dx,
                                 const Tensor& ds) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const grad = dy.data<T>();
  const A* const factors = s.data<A>();
  T* const out = dx.data<T>();
  A* const dfactors = ds.data<A>();
  const std::int64_t W = x.size() / s.size();
  for_rows(
      "longspan::ops::scale_heads_backward", s.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const A f = factors[r];
        const A sum =
            sum_columns<A>(team, static_cast<int>(W), [&](int c) { return A(in[r * W + c]) * A(grad[r * W + c]); });
        for_columns(team, static_cast<int>(W), [&](int c) { out[r * W + c] = T(f * A(grad[r * W + c])); });
        for_columns(team, 1, [&](int) { dfactors[r] = sum; });
      });
}

template <class T>
void add_skip_kernel(const Tensor& o, const Tensor& x, const Tensor& weight, const Tensor& y) {
  using A = accumulation_t<T>;
  const T *const from = o.data<T>(), *const in = x.data<T>(), *const w = weight.data<T>();
  T* const out = y.data<T>();
  const std::int64_t H = weight.size(), W = x.dim(-1) / H;
  for_elements(
      "longspan::ops::add_skip", x.size(),
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = T(A(from[i]) + A(w[i / W % H]) * A(in[i])); });
}

// dx = weight_h dy and products [rows, H] = sum over the head of x dy.
template <class T>
void add_skip_backward_kernel(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& dx,
                              const Tensor& products) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const w = weight.data<T>(), *const grad = dy.data<T>();
  T* const out = dx.data<T>();
  A* const sums = products.data<A>();
  const std::int64_t H = weight.size(), W = x.dim(-1) / H;
  for_rows(
      "longspan::ops::add_skip_backward", products.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        const A f = A(w[r % H]);
        const A sum =
            sum_columns<A>(team, static_cast<int>(W), [&](int c) { return A(in[r * W + c]) * A(grad[r * W + c]); });
        for_columns(team, static_cast<int>(W), [&](int c) { out[r * W + c] = T(f * A(grad[r * W + c])); });
        for_columns(team, 1, [&](int) { sums[r] = sum; });
      });
}

void check_by_head(const char* op, const Tensor& x, const Tensor& by_head) {
  LONGSPAN_CHECK(by_head.size() > 0 && x.dim(-1) % by_head.dim(-1) == 0, "[{}] {} for heads {}", op, x.shape().str(),
                 by_head.shape().str());
}

}  // namespace

void log_sigmoid_forward(const Tensor& z, double temperature, const Tensor& y) {
  dispatch_float("log_sigmoid", z.dtype(), [&]<class T>() { unary_kernel<T, LogSigmoid>(z, 1 / temperature, y); });
}
void log_sigmoid_backward(const Tensor& z, double temperature, const Tensor& dy, const Tensor& dz) {
  dispatch_float("log_sigmoid", z.dtype(),
                 [&]<class T>() { unary_backward_kernel<T, LogSigmoid>(z, 1 / temperature, dy, dz); });
}

void sigmoid_forward(const Tensor& z, double factor, const Tensor& y) {
  dispatch_float("sigmoid", z.dtype(), [&]<class T>() { unary_kernel<T, Sigmoid>(z, factor, y); });
}
void sigmoid_backward(const Tensor& z, double factor, const Tensor& dy, const Tensor& dz) {
  dispatch_float("sigmoid", z.dtype(), [&]<class T>() { unary_backward_kernel<T, Sigmoid>(z, factor, dy, dz); });
}

void softplus_forward(const Tensor& z, const Tensor& bias, const Tensor& y) {
  check_by_head("softplus", z, bias);
  dispatch_float("softplus", z.dtype(), [&]<class T>() { softplus_kernel<T>(z, bias, y); });
}
void softplus_backward(const Tensor& z, const Tensor& bias, const Tensor& dy, const Tensor& dz) {
  check_by_head("softplus", z, bias);
  dispatch_float("softplus", z.dtype(), [&]<class T>() { softplus_backward_kernel<T>(z, bias, dy, dz); });
}

void step_decay_forward(const Tensor& step, const Tensor& log_rate, const Tensor& log_decay) {
  check_by_head("step_decay", step, log_rate);
  dispatch_float("step_decay", log_rate.dtype(), [&]<class T>() { rate_kernel<T>(step, log_rate, log_decay); });
}
void step_decay_backward(const Tensor& step, const Tensor& log_rate, const Tensor& dlog_decay, const Tensor& dstep,
                         const Tensor& dlog_rate) {
  dispatch_float("step_decay", log_rate.dtype(), [&]<class T>() { rate_kernel<T>(dlog_decay, log_rate, dstep); });
  // d log_decay / d log_rate = log_decay = -exp(log_rate) step, so that step dstep is each row's share.
  const Tensor shares = Tensor::empty(step.shape(), step.dtype(), Memory::workspace, "rate gradient");
  copy(dstep, shares);
  multiply_elements(step, shares);
  add_column_sums(shares, dlog_rate);
}

void scale_heads_forward(const Tensor& x, const Tensor& s, const Tensor& y) {
  if (x.size() == 0) return;
  check_by_head("scale_heads", x, s);
  dispatch_float("scale_heads", x.dtype(), [&]<class T>() { scale_heads_kernel<T>(x, s, y); });
}
void scale_heads_backward(const Tensor& x, const Tensor& s, const Tensor& dy, const Tensor& dx, const Tensor& ds) {
  if (x.size() == 0) return;
  check_by_head("scale_heads", x, s);
  dispatch_float("scale_heads", x.dtype(), [&]<class T>() { scale_heads_backward_kernel<T>(x, s, dy, dx, ds); });
}

void add_skip_forward(const Tensor& o, const Tensor& x, const Tensor& weight, const Tensor& y) {
  check_by_head("add_skip", x, weight);
  dispatch_float("add_skip", x.dtype(), [&]<class T>() { add_skip_kernel<T>(o, x, weight, y); });
}
void add_skip_backward(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& dx,
                       const Tensor& dweight) {
  check_by_head("add_skip", x, weight);
  const Tensor products =
      Tensor::empty({x.rows(), weight.size()}, accumulation_dtype(x.dtype()), Memory::workspace, "skip gradient");
  dispatch_float("add_skip", x.dtype(), [&]<class T>() { add_skip_backward_kernel<T>(x, weight, dy, dx, products); });
  add_column_sums(products, dweight);
}

}  // namespace longspan::ops
