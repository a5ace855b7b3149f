#include "autograd/functions/linear_cross_entropy.hpp"

#include <algorithm>

#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

// Logits exist for so many rows and words at a time: on a CPU few enough to stay in its cache on their way through the
// loss, on a GPU so many that its products fill it; rows enough that the weights are not read for each few of them.
struct Block {
  std::int64_t rows, words;
};
Block block_size() { return device::host_accessible() ? Block{1024, 2048} : Block{4096, 8192}; }

Tensor block_logits(const Tensor& x, const Tensor& weight) {
  const Tensor logits =
      Tensor::empty({x.rows(), weight.dim(0)}, accumulation_dtype(x.dtype()), Memory::workspace, "logits");
  ops::matmul(ops::MatrixRef(x), ops::MatrixRef(weight).t(), ops::MatrixRef(logits));
  return logits;
}

// visit(first, count) for the blocks of [0, n), an empty one where n = 0.
template <class Visit>
void for_blocks(std::int64_t n, std::int64_t size, const Visit& visit) {
  for (std::int64_t first = 0; first == 0 || first < n; first += size) visit(first, std::min(size, n - first));
}

// x in another dtype.
Tensor converted(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = Tensor::empty(x.shape(), dtype, Memory::workspace, "logits gradient");
  ops::copy(x, y);
  return y;
}

// Sums over blocks of words, in the accumulation dtype: in the gradient's own rows, or in a workspace that is added or
// rounded to them at the end.
class RowGradient {
 public:
  RowGradient(const Tensor& rows, bool accumulate) : rows_(rows), accumulate_(accumulate) {
    const Dtype wide = accumulation_dtype(rows.dtype());
    sum_ = wide == rows.dtype() ? rows : Tensor::empty(rows.shape(), wide, Memory::workspace, "gradient of rows");
    started_ = wide == rows.dtype() && accumulate;
  }
  void add(const Tensor& dlogits, const Tensor& weight) {
    ops::matmul(ops::MatrixRef(dlogits), ops::MatrixRef(weight), ops::MatrixRef(sum_), {.accumulate = started_});
    started_ = true;
  }
  void finish() const {
    if (sum_.dtype() == rows_.dtype()) return;
    accumulate_ ? ops::add_scaled(sum_, 1, rows_) : ops::copy(sum_, rows_);
  }

 private:
  Tensor rows_, sum_;
  bool accumulate_, started_;
};

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
  const std::int64_t n = target.size(), words = weight.value().dim(0);
  const Tensor rows = x.value().reshape({n, x.value().dim(-1)});
  const Tensor index = target.reshape({n});
  const Dtype accumulation = accumulation_dtype(rows.dtype());
  const Block block = block_size();
  const Tensor lse = Tensor::empty({n}, accumulation, Memory::activations, "log-sum-exp");
  const bool smooth = rule.smoothing > 0;
  const auto workspace = [&](std::int64_t size, Dtype dtype) {
    return Tensor::empty({size}, dtype, Memory::workspace, "loss of rows");
  };
  for_blocks(n, block.rows, [&](std::int64_t row, std::int64_t count) {
    // Sums, target logits and expected logits side by side: one message for all.
    const Tensor sums = workspace((smooth ? 3 : 2) * count, accumulation), own_maxima = workspace(count, accumulation);
    const Tensor losses = workspace(count, accumulation), hits = workspace(count, Dtype::int32);
    const Tensor maxima = lse.slice(row, count), t = index.slice(row, count);
    const ops::SoftmaxRows state{.maxima = own_maxima,
                                 .sums = sums.slice(0, count),
                                 .target_logit = sums.slice(count, count),
                                 .logit_sums = smooth ? sums.slice(2 * count, count) : Tensor()};
    ops::begin_softmax(state);
    for_blocks(words, block.words, [&](std::int64_t word, std::int64_t width) {
      ops::take_columns(block_logits(rows.slice(row, count), weight.value().slice(word, width)), t, first + word,
                        state);
    });
    ops::copy(own_maxima, maxima);
    tensor_axis.all_reduce(maxima, Reduce::max);
    ops::rebase_sums(own_maxima, maxima, state.sums);
    if (smooth) ops::expected_logits(state.target_logit, state.logit_sums, rule, state.logit_sums);
    tensor_axis.all_reduce(sums);
    ops::find_hits(maxima, state.target_logit, t, hits);
    ops::add_sum(hits, answers.correct());
    ops::finish_cross_entropy(maxima, state.sums, smooth ? state.logit_sums : state.target_logit, t, maxima, losses,
                              rule);
    ops::add_sum(losses, answers.loss());
  });
  tape.record("linear_cross_entropy", [=] {
    const auto dx = x.gradient_slot();
    const Tensor dx_rows = dx.tensor.reshape(rows.shape());
    for_blocks(n, block.rows, [&](std::int64_t row, std::int64_t count) {
      const Tensor here = rows.slice(row, count);
      RowGradient dhere(dx_rows.slice(row, count), dx.accumulate);
      for_blocks(words, block.words, [&](std::int64_t word, std::int64_t width) {
        const Tensor part = weight.value().slice(word, width);
        const Tensor logits = block_logits(here, part);
        ops::softmax_gradient(logits, lse.slice(row, count), index.slice(row, count), first + word, factor, rule);
        // The products read the gradient in the model's dtype.
        const Tensor dlogits = converted(logits, rows.dtype());
        dhere.add(dlogits, part);
        ops::matmul(ops::MatrixRef(dlogits).t(), ops::MatrixRef(here),
                    ops::MatrixRef(weight.gradient().slice(word, width)), {.accumulate = true});
      });
      dhere.finish();
    });
  });
}

}  // namespace longspan
