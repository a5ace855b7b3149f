// AdamW (Loshchilov and Hutter 2019) on flat arrays of master weights, with the gradient scaled on the way.
//   g = gradient_scale * gradient
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   w = w - rate ( (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) + decay w )
// master, m, v and gradient have the accumulation dtype; `weights` (any float dtype) gets a rounded copy of master and
// may be master itself.
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

struct AdamwStep {
  double rate = 0, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, decay = 0, gradient_scale = 1;
  std::int64_t step = 1;  // t, from 1
};

void adamw(const Tensor& master, const Tensor& m, const Tensor& v, const Tensor& gradient, const Tensor& weights,
           const AdamwStep& step);

}  // namespace longspan::ops
