#include "autograd/functions/linear_cross_entropy.hpp"

#include <algorithm>

#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

// Rows a block: about one million logits, which stay in a CPU's cache on their way through the loss; on a GPU so many
// that its products fill it.
std::int64_t block_rows(std::int64_t columns) {
  const std::int64_t logits = std::int64_t{1} << (device::host_accessible() ? 20 : 25);
  return std::max<std::int64_t>(16, logits / std::max<std::int64_t>(columns, 1));
}

Tensor block_logits(const Tensor& x, const Tensor& weight, std::int64_t row, std::int64_t rows) {
  const Tensor logits =
      Tensor::empty({rows, weight.dim(0)}, accumulation_dtype(x.dtype()), Memory::workspace, "logits");
  ops::matmul(ops::MatrixRef(x.slice(row, rows)), ops::MatrixRef(weight).t(), ops::MatrixRef(logits));
  return logits;
}

}  // namespace

Answers AnswerSums::total(const Mesh& mesh) const {
  const Tensor sums = Tensor::zeros(totals_.shape(), totals_.dtype(), Memory::workspace, "answers of all");
  if (mesh.at().tensor == 0) ops::copy(totals_, sums);
  mesh.world().all_reduce(sums);
  const std::vector<double> totals = sums.to_host<double>();
  return {.loss = totals[0], .correct = totals[1]};
}

void linear_cross_entropy(Tape& tape, const Variable& x, const Variable& weight, const Tensor& target,
                          std::int64_t first, double factor, const Comm& tensor_axis, const AnswerSums& answers,
                          const ops::LossRule& rule) {
  const std::int64_t n = target.size();
  const Tensor rows = x.value().reshape({n, x.value().dim(-1)});
  const Tensor index = target.reshape({n});
  const Dtype accumulation = accumulation_dtype(rows.dtype());
  const std::int64_t block = block_rows(weight.value().dim(0));
  const Tensor lse = Tensor::empty({n}, accumulation, Memory::activations, "log-sum-exp");
  // Sums, target logits and expected logits side by side: one message for all.
  const bool smooth = rule.smoothing > 0;
  const std::int64_t values = smooth ? 3 : 2;
  const Tensor sums = Tensor::empty({values * block}, accumulation, Memory::workspace, "loss sums");
  const Tensor losses = Tensor::empty({block}, accumulation, Memory::workspace, "row losses");
  const Tensor hits = Tensor::empty({block}, Dtype::int32, Memory::workspace, "right answers");
  for (std::int64_t row = 0; row < n; row += block) {
    const std::int64_t count = std::min(block, n - row);
    const Tensor logits = block_logits(rows, weight.value(), row, count);
    const Tensor maxima = lse.slice(row, count), t = index.slice(row, count);
    const Tensor sum = sums.slice(0, count), target_logit = sums.slice(count, count);
    ops::row_max(logits, maxima);
    tensor_axis.all_reduce(maxima, Reduce::max);
    ops::softmax_sums(logits, maxima, t, first, sum, target_logit);
    const Tensor expected = smooth ? sums.slice(2 * count, count) : target_logit;
    if (smooth) ops::expected_logits(logits, target_logit, rule, expected);
    tensor_axis.all_reduce(sums.slice(0, values * count));
    ops::find_hits(maxima, target_logit, t, hits.slice(0, count));
    ops::add_sum(hits.slice(0, count), answers.correct());
    ops::finish_cross_entropy(maxima, sum, expected, t, maxima, losses.slice(0, count), rule);
    ops::add_sum(losses.slice(0, count), answers.loss());
  }
  tape.record("linear_cross_entropy", [=] {
    const auto dx = x.gradient_slot();
    const Tensor dx_rows = dx.tensor.reshape(rows.shape());
    for (std::int64_t row = 0; row < n; row += block) {
      const std::int64_t count = std::min(block, n - row);
      const Tensor logits = block_logits(rows, weight.value(), row, count);
      ops::softmax_gradient(logits, lse.slice(row, count), index.slice(row, count), first, factor, rule);
      // The products read the gradient in the model's dtype.
      Tensor dlogits = logits;
      if (rows.dtype() != accumulation) {
        dlogits = Tensor::empty(logits.shape(), rows.dtype(), Memory::workspace, "logits gradient");
        ops::copy(logits, dlogits);
      }
      ops::matmul(ops::MatrixRef(dlogits), ops::MatrixRef(weight.value()), ops::MatrixRef(dx_rows.slice(row, count)),
                  {.accumulate = dx.accumulate});
      ops::matmul(ops::MatrixRef(dlogits).t(), ops::MatrixRef(rows.slice(row, count)),
                  ops::MatrixRef(weight.gradient()), {.accumulate = true});
    }
  });
}

}  // namespace longspan
