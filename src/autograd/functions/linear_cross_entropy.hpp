// The head and its loss as one function over a vocabulary that the tensor axis shards: logits exist only for a block of
// rows at a time, forward, and again in backward.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"
#include "ops/cross_entropy.hpp"

namespace longspan {

struct Answers {
  double loss = 0;           // sum over the rows with a target
  std::int64_t correct = 0;  // of them, those whose target is the most probable

  Answers& operator+=(const Answers& other) {
    loss += other.loss;
    correct += other.correct;
    return *this;
  }
};

// Sum over rows with target >= 0 of -log softmax(x weight^T)[target], or of what the rule makes of it, and how many are
// right, the same value on every rank of the axis.
//   x [..., D], weight [V_local, D] with vocabulary rows from `first`, target int32 [N]; x is the same on every rank
//   and gets a part of its gradient. Backward adds factor * gradient of the sum. Two all-reduces a block: of maxima,
//   and of sums, target logits and, where targets are smoothed, expected logits, each of one value a row.
Answers linear_cross_entropy(Tape& tape, const Variable& x, const Variable& weight, const Tensor& target,
                             std::int64_t first, double factor, const Comm& tensor_axis,
                             const ops::LossRule& rule = {});

}  // namespace longspan
