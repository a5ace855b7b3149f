#include "ops/adamw.hpp"

#include <cmath>

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

// T: dtype of the rounded copy.
template <class T>
void adamw_kernel(const Tensor& master, const Tensor& m, const Tensor& v, const Tensor& gradient, const Tensor& weights,
                  const AdamwStep& step) {
  using A = accumulation_t<T>;
  A *const w = master.data<A>(), *const first = m.data<A>(), *const second = v.data<A>();
  const A* const grad = gradient.data<A>();
  T* const rounded = weights.data<T>();
  const A b1 = A(step.beta1), b2 = A(step.beta2), c1 = A(1 - step.beta1), c2 = A(1 - step.beta2);
  const double t = static_cast<double>(step.step);
  const A correct1 = A(1 / (1 - std::pow(step.beta1, t))), correct2 = A(1 / (1 - std::pow(step.beta2, t)));
  const A scale = A(step.gradient_scale), rate = A(step.rate), epsilon = A(step.epsilon), decay = A(step.decay);
  for_elements(
      "longspan::ops::adamw", master.size(), KOKKOS_LAMBDA(std::int64_t i) {
        const A g = scale * grad[i];
        const A mi = b1 * first[i] + c1 * g;
        const A vi = b2 * second[i] + c2 * g * g;
        first[i] = mi;
        second[i] = vi;
        const A wi = w[i] - rate * (mi * correct1 / (Kokkos::sqrt(vi * correct2) + epsilon) + decay * w[i]);
        w[i] = wi;
        rounded[i] = T(wi);
      });
}

}  // namespace

void adamw(const Tensor& master, const Tensor& m, const Tensor& v, const Tensor& gradient, const Tensor& weights,
           const AdamwStep& step) {
  for (const Tensor* t : {&m, &v, &gradient, &weights}) {
    LONGSPAN_CHECK(t->size() == master.size(), "[adamw] {} entries for {} weights", t->size(), master.size());
  }
  LONGSPAN_CHECK(step.step >= 1, "[adamw] steps count from 1, got {}", step.step);
  dispatch_float("adamw", weights.dtype(), [&]<class T>() { adamw_kernel<T>(master, m, v, gradient, weights, step); });
}

}  // namespace longspan::ops
