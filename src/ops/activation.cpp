#include "ops/activation.hpp"

#include "ops/math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

struct Gelu {
  template <class A>
  KOKKOS_INLINE_FUNCTION static A value(A x) {
    return math::gelu(x);
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static A derivative(A x) {
    return math::gelu_derivative(x);
  }
};
struct Silu {
  template <class A>
  KOKKOS_INLINE_FUNCTION static A value(A x) {
    return math::silu(x);
  }
  template <class A>
  KOKKOS_INLINE_FUNCTION static A derivative(A x) {
    return math::silu_derivative(x);
  }
};

template <class T, class F>
void forward_kernel(const Tensor& x, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  T* const out = y.data<T>();
  write_elements(
      "longspan::ops::activation_forward", x.size(), out, KOKKOS_LAMBDA(std::int64_t i) { return F::value(A(in[i])); });
}

template <class T, class F>
void backward_kernel(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const grad = dy.data<T>();
  T* const out = dx.data<T>();
  write_elements(
      "longspan::ops::activation_backward", x.size(), out,
      KOKKOS_LAMBDA(std::int64_t i) { return A(grad[i]) * F::derivative(A(in[i])); });
}

template <class T>
void swiglu_forward_kernel(const Tensor& gate, const Tensor& up, const Tensor& y) {
  using A = accumulation_t<T>;
  const T *const g = gate.data<T>(), *const u = up.data<T>();
  T* const out = y.data<T>();
  write_elements(
      "longspan::ops::swiglu_forward", y.size(), out,
      KOKKOS_LAMBDA(std::int64_t i) { return math::silu(A(g[i])) * A(u[i]); });
}

template <class T>
void swiglu_backward_kernel(const Tensor& gate, const Tensor& up, const Tensor& dy, const Tensor& dgate,
                            const Tensor& dup) {
  using A = accumulation_t<T>;
  const T *const g = gate.data<T>(), *const u = up.data<T>(), *const grad = dy.data<T>();
  T *const dg = dgate.data<T>(), *const du = dup.data<T>();
  for_elements(
      "longspan::ops::swiglu_backward", dy.size(), KOKKOS_LAMBDA(std::int64_t i) {
        const A x = g[i], v = u[i], d = grad[i];
        const A s = math::sigmoid(x), silu = x * s;
        dg[i] = T(d * v * (s + silu * (A(1) - s)));
        du[i] = T(d * silu);
      });
}

void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  LONGSPAN_CHECK(a.shape() == b.shape(), "[{}] shapes {} and {} differ", op, a.shape().str(), b.shape().str());
}

}  // namespace

void activation_forward(Activation kind, const Tensor& x, const Tensor& y) {
  check_same_shape("activation", x, y);
  LONGSPAN_CHECK(kind != Activation::none, "[activation] none is no function to apply");
  dispatch_float("activation", x.dtype(), [&]<class T>() {
    kind == Activation::gelu ? forward_kernel<T, Gelu>(x, y) : forward_kernel<T, Silu>(x, y);
  });
}

void activation_backward(Activation kind, const Tensor& x, const Tensor& dy, const Tensor& dx) {
  check_same_shape("activation", x, dy);
  check_same_shape("activation", x, dx);
  LONGSPAN_CHECK(kind != Activation::none, "[activation] none is no function to apply");
  dispatch_float("activation", x.dtype(), [&]<class T>() {
    kind == Activation::gelu ? backward_kernel<T, Gelu>(x, dy, dx) : backward_kernel<T, Silu>(x, dy, dx);
  });
}

void swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& y) {
  check_same_shape("swiglu", gate, up);
  check_same_shape("swiglu", gate, y);
  dispatch_float("swiglu", y.dtype(), [&]<class T>() { swiglu_forward_kernel<T>(gate, up, y); });
}

void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dy, const Tensor& dgate, const Tensor& dup) {
  for (const Tensor* t : {&up, &dy, &dgate, &dup}) check_same_shape("swiglu", gate, *t);
  dispatch_float("swiglu", dy.dtype(), [&]<class T>() { swiglu_backward_kernel<T>(gate, up, dy, dgate, dup); });
}

}  // namespace longspan::ops
