#include "autograd/functions/linear_cross_entropy.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

// Logits exist for some rows at a time, in blocks of words: on a CPU a block stays in the cache on its way through the
// loss, on a GPU its product fills it; rows enough that the weights are not read for each few of them.
struct Block {
  std::int64_t rows, words;
};
Block block_size(std::int64_t words) {
  const bool host = device::host_accessible();
  const std::int64_t logits = std::int64_t{1} << (host ? 24 : 27), most = host ? 1024 : 4096;
  return {std::clamp<std::int64_t>(logits / std::max<std::int64_t>(words, 1), 64, most), host ? 2048 : 8192};
}

// visit(first, count) for the blocks of [0, n), an empty one where n = 0.
template <class Visit>
void for_blocks(std::int64_t n, std::int64_t size, const Visit& visit) {
  for (std::int64_t first = 0; first == 0 || first < n; first += size) visit(first, std::min(size, n - first));
}

Tensor workspace(const Shape& shape, Dtype dtype) {
  return Tensor::empty(shape, dtype, Memory::workspace, "loss of rows");
}

// x in another dtype.
Tensor converted(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = workspace(x.shape(), dtype);
  ops::copy(x, y);
  return y;
}

// Sums over blocks of words, in the accumulation dtype: in the gradient's own rows, or in a workspace that is added or
// rounded to them at the end.
class RowGradient {
 public:
  RowGradient(const Tensor& rows, bool accumulate) : rows_(rows), accumulate_(accumulate) {
    const Dtype wide = accumulation_dtype(rows.dtype());
    sum_ = wide == rows.dtype() ? rows : workspace(rows.shape(), wide);
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

// The head on some rows x [N, D].
struct HeadRows {
  Tensor x, target;  // [N]
  Tensor weight;
  std::int64_t first;
  const Comm* tensor_axis;
  ops::LossRule rule;

  // lse [N]; losses and hits go to `answers`. The logits, a block of words each, are appended to `kept` if it is given.
  Tensor answer(const AnswerSums& answers, std::vector<Tensor>* kept) const {
    const std::int64_t count = x.rows();
    const Dtype wide = accumulation_dtype(x.dtype());
    const bool smooth = rule.smoothing > 0;
    // Sums, target logits and expected logits side by side: one message for all.
    const Tensor sums = workspace({(smooth ? 3 : 2) * count}, wide), own_maxima = workspace({count}, wide);
    const Tensor maxima = workspace({count}, wide), losses = workspace({count}, wide);
    const Tensor hits = workspace({count}, Dtype::int32);
    const ops::SoftmaxRows state{.maxima = own_maxima,
                                 .sums = sums.slice(0, count),
                                 .target_logit = sums.slice(count, count),
                                 .logit_sums = smooth ? sums.slice(2 * count, count) : Tensor()};
    ops::begin_softmax(state);
    for_blocks(weight.dim(0), block_size(weight.dim(0)).words, [&](std::int64_t word, std::int64_t width) {
      const Tensor logits = workspace({count, width}, wide);
      ops::matmul(ops::MatrixRef(x), ops::MatrixRef(weight.slice(word, width)).t(), ops::MatrixRef(logits));
      ops::take_columns(logits, target, first + word, state);
      if (kept) kept->push_back(logits);
    });
    ops::copy(own_maxima, maxima);
    tensor_axis->all_reduce(maxima, Reduce::max);
    ops::rebase_sums(own_maxima, maxima, state.sums);
    if (smooth) ops::expected_logits(state.target_logit, state.logit_sums, rule, state.logit_sums);
    tensor_axis->all_reduce(sums);
    ops::find_hits(maxima, state.target_logit, target, hits);
    ops::add_sum(hits, answers.correct());
    ops::finish_cross_entropy(maxima, state.sums, smooth ? state.logit_sums : state.target_logit, target, maxima,
                              losses, rule);
    ops::add_sum(losses, answers.loss());
    return maxima;
  }

  // Overwrites the logits, as `answer` left them, by their gradients and frees them block by block.
  void backward(std::vector<Tensor>& logits, const Tensor& lse, double factor, RowGradient dx,
                const Tensor& dweight) const {
    std::int64_t word = 0;
    for (Tensor& block : logits) {
      const std::int64_t width = block.dim(1);
      ops::softmax_gradient(block, lse, target, first + word, factor, rule);
      // The products read the gradient in the model's dtype.
      const Tensor dlogits = converted(std::exchange(block, Tensor()), x.dtype());
      dx.add(dlogits, weight.slice(word, width));
      ops::matmul(ops::MatrixRef(dlogits).t(), ops::MatrixRef(x), ops::MatrixRef(dweight.slice(word, width)),
                  {.accumulate = true});
      word += width;
    }
    dx.finish();
  }
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
  const std::int64_t n = target.size(), block = block_size(weight.value().dim(0)).rows;
  const Tensor rows = x.value().reshape({n, x.value().dim(-1)}), index = target.reshape({n});
  const auto rows_of = [=, axis = &tensor_axis](std::int64_t row, std::int64_t count) {
    return HeadRows{rows.slice(row, count), index.slice(row, count), weight.value(), first, axis, rule};
  };
  if (!tape.recording()) {
    for_blocks(n, block, [&](std::int64_t row, std::int64_t count) { rows_of(row, count).answer(answers, nullptr); });
    return;
  }
  tape.record("linear_cross_entropy", [=] {
    const auto dx = x.gradient_slot();
    const Tensor dx_rows = dx.tensor.reshape(rows.shape());
    for_blocks(n, block, [&](std::int64_t row, std::int64_t count) {
      const HeadRows here = rows_of(row, count);
      std::vector<Tensor> logits;
      const Tensor lse = here.answer(answers, &logits);
      here.backward(logits, lse, factor, {dx_rows.slice(row, count), dx.accumulate}, weight.gradient());
    });
  });
}

}  // namespace longspan
