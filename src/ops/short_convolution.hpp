// Causal depthwise convolution over a few positions, inside a document:
//   y_t[c] = bias[c] + sum_j weight[c, w-1-j] x_{t-j}[c],   j < w, position t-j in the document of t
// x [B, T, C]; `edge` [B, E, C] holds the E <= w - 1 rows before x; weight [C, w]; bias [C] or undefined. `documents`
// int32 [B, T]: the row of x at which row t's document starts, negative where before x.
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

void short_convolution_forward(const Tensor& edge, const Tensor& x, const Tensor& weight, const Tensor& bias,
                               const Tensor& documents, const Tensor& y);
// dedge, dx are written; dweight and dbias (accumulation dtype) are added to.
void short_convolution_backward(const Tensor& edge, const Tensor& x, const Tensor& weight, const Tensor& documents,
                                const Tensor& dy, const Tensor& dedge, const Tensor& dx, const Tensor& dweight,
                                const Tensor& dbias);

}  // namespace longspan::ops
