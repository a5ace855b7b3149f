// Feature maps of linear attention, by head: x [.., H W]. Backward overwrites its results.
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

// y = elu(x) + 1 > 0 (Katharopoulos et al. 2020).
void elu_feature_forward(const Tensor& x, const Tensor& y);
void elu_feature_backward(const Tensor& x, const Tensor& dy, const Tensor& dx);

// y = x / sqrt(sum of squares over the head + 1e-6).
void l2_norm_forward(const Tensor& x, std::int64_t heads, const Tensor& y);
void l2_norm_backward(const Tensor& x, std::int64_t heads, const Tensor& dy, const Tensor& dx);

// y [.., H (W+1)]: each head's row and a 1 behind it, so that a recurrence also sums weights.
void append_one_forward(const Tensor& x, std::int64_t heads, const Tensor& y);
void append_one_backward(const Tensor& dy, std::int64_t heads, const Tensor& dx);

// y [.., H W] from x [.., H (W+1)]: each head's row over its last entry + 1e-6.
void divide_by_last_forward(const Tensor& x, std::int64_t heads, const Tensor& y);
void divide_by_last_backward(const Tensor& x, std::int64_t heads, const Tensor& dy, const Tensor& dx);

}  // namespace longspan::ops
