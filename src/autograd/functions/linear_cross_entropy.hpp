// The head and its loss as one function over a vocabulary that the tensor axis shards: logits exist only for some rows at
// a time. In training they are made once: loss and gradients of these rows together, in the backward pass, since nothing
// before it asks for the loss. Without a gradient (a tape that does not record) the loss is made at once.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/mesh.hpp"
#include "ops/cross_entropy.hpp"

namespace longspan {

struct Answers {
  double loss = 0;     // sum over the rows with a target
  double correct = 0;  // of them, those whose target is the most probable
};

// Answers so far of this rank, summed where the kernels are.
class AnswerSums {
 public:
  AnswerSums() : totals_(Tensor::zeros({2}, Dtype::float64, Memory::workspace, "answers")) {}
  // Of all ranks of the mesh, where those of a tensor axis have the same ones. Waits for the device. Collective.
  Answers total(const Mesh& mesh) const;
  Tensor loss() const { return totals_.slice(0, 1); }
  Tensor correct() const { return totals_.slice(1, 1); }

 private:
  Tensor totals_;
};

// To `answers`: the sum over rows with target >= 0 of -log softmax(x weight^T)[target], or of what the rule makes of
// it, and how many are right, the same on every rank of the axis.
//   x [..., D], weight [V_local, D] with vocabulary rows from `first`, target int32 [N]; x is the same on every rank
//   and gets a part of its gradient. Backward adds factor * gradient of the sum. Two all-reduces a block of rows: of
//   maxima, and of sums, target logits and, where targets are smoothed, expected logits, each of one value a row.
//   The axis must outlive the tape; `answers` are complete after its backward pass.
void linear_cross_entropy(Tape& tape, const Variable& x, const Variable& weight, const Tensor& target,
                          std::int64_t first, double factor, const Comm& tensor_axis, const AnswerSums& answers,
                          const ops::LossRule& rule = {});

}  // namespace longspan
