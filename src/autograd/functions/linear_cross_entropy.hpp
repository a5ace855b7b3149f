// The head and its loss as one function over a vocabulary that the tensor axis shards: logits exist only for a block of
// rows at a time, forward, and again in backward.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"

namespace longspan {

// Sum over rows with target >= 0 of -log softmax(x weight^T)[target], the same value on every rank of the axis.
//   x [..., D], weight [V_local, D] with vocabulary rows from `first`, target int32 [N]. x must have entered the tensor
//   region. Backward adds factor * gradient of the sum. Three all-reduces a block: of maxima, and of sums and target
//   logits, all of one value a row.
double linear_cross_entropy(Tape& tape, const Variable& x, const Variable& weight, const Tensor& target,
                            std::int64_t first, double factor, const Comm& tensor_axis);

}  // namespace longspan
