// Gates of recurrent token mixers, element by element or by head, forward above backward. z, x: rows [.., H] or
// [.., H W] in the model's dtype; gates in its accumulation dtype, since small differences of decays near 1 count.
// Backward overwrites its results; gradients of parameters (accumulation dtype) are added to.
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

// y = log(sigmoid(z)) / temperature.
void log_sigmoid_forward(const Tensor& z, double temperature, const Tensor& y);
void log_sigmoid_backward(const Tensor& z, double temperature, const Tensor& dy, const Tensor& dz);

// y = factor sigmoid(z).
void sigmoid_forward(const Tensor& z, double factor, const Tensor& y);
void sigmoid_backward(const Tensor& z, double factor, const Tensor& dy, const Tensor& dz);

// y = softplus(z + bias_h), a step size for each head; bias [H].
void softplus_forward(const Tensor& z, const Tensor& bias, const Tensor& y);
void softplus_backward(const Tensor& z, const Tensor& bias, const Tensor& dy, const Tensor& dz);

// log_decay = -exp(log_rate_h) step; log_rate [H].
void step_decay_forward(const Tensor& step, const Tensor& log_rate, const Tensor& log_decay);
void step_decay_backward(const Tensor& step, const Tensor& log_rate, const Tensor& dlog_decay, const Tensor& dstep,
                         const Tensor& dlog_rate);

// y_h = s_h x_h with one factor a row and head: s [.., H], x, y [.., H W].
void scale_heads_forward(const Tensor& x, const Tensor& s, const Tensor& y);
void scale_heads_backward(const Tensor& x, const Tensor& s, const Tensor& dy, const Tensor& dx, const Tensor& ds);

// y_h = o_h + weight_h x_h with one factor a head: weight [H].
void add_skip_forward(const Tensor& o, const Tensor& x, const Tensor& weight, const Tensor& y);
void add_skip_backward(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& dx,
                       const Tensor& dweight);

}  // namespace longspan::ops
