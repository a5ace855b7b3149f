// Normalisation over the last dimension D of x [N, D], forward above backward.
//   layer_norm (Ba et al. 2016)          y = (x - mean) rstd weight + bias,  rstd = 1/sqrt(var + epsilon)
//   rms_norm (Zhang and Sennrich 2019)   y = x rstd weight,                  rstd = 1/sqrt(mean(x^2) + epsilon)
// Statistics are kept in the accumulation dtype, [N]. Backward adds to dweight and dbias (accumulation dtype) and
// writes dx, or adds to it where `accumulate` is set (the residual's gradient is already there).
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

void layer_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, const Tensor& y,
                        const Tensor& mean, const Tensor& rstd);
void layer_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                         const Tensor& dy, const Tensor& dx, bool accumulate, const Tensor& dweight,
                         const Tensor& dbias);

void rms_norm_forward(const Tensor& x, const Tensor& weight, double epsilon, const Tensor& y, const Tensor& rstd);
void rms_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& rstd, const Tensor& dy, const Tensor& dx,
                       bool accumulate, const Tensor& dweight);

}  // namespace longspan::ops
