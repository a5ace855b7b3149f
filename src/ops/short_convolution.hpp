// Depthwise convolution over a few positions, inside a document:
//   y_t[c] = bias[c] + sum_j weight[c, w-1-j] x_{t+lead-j}[c],   j < w, position t+lead-j in the document of t
// Causal where lead = 0. x [B, T, C]; weight [C, w]; bias [C] or undefined.
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

// What surrounds x. `edge` [B, E, C] holds `before` <= w - 1 - lead rows before x, then E - before <= lead behind it.
// int32 [B, T]: row t's document is rows [start, end) of x, which may reach beyond it; ends are not needed where lead
// = 0.
struct ConvolutionRows {
  std::int64_t lead = 0, before = 0;
  Tensor starts, ends = {};
};

void short_convolution_forward(const ConvolutionRows& rows, const Tensor& edge, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const Tensor& y);
// dedge, dx are written; dweight and dbias (accumulation dtype, may be undefined) are added to.
void short_convolution_backward(const ConvolutionRows& rows, const Tensor& edge, const Tensor& x, const Tensor& weight,
                                const Tensor& dy, const Tensor& dedge, const Tensor& dx, const Tensor& dweight,
                                const Tensor& dbias);

}  // namespace longspan::ops
