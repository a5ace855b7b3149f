// Activations of the feed-forward layer, any shape, forward above backward.
//   gelu (tanh form, Hendrycks and Gimpel 2016)  y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
//   silu                                         y = x sigmoid(x)
//   swiglu (Shazeer 2020)                        y = silu(gate) up
// Backward overwrites its results.
#pragma once

#include "ops/matmul.hpp"

namespace longspan::ops {

void activation_forward(Activation kind, const Tensor& x, const Tensor& y);
void activation_backward(Activation kind, const Tensor& x, const Tensor& dy, const Tensor& dx);  // dx may be dy

void swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& y);
void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dy, const Tensor& dgate, const Tensor& dup);

}  // namespace longspan::ops
