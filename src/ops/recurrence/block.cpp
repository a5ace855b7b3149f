#include "ops/recurrence/block.hpp"

#include "ops/elementwise.hpp"
#include "ops/recurrence/scores.hpp"

namespace longspan::ops {
namespace {

Tensor at(const Tensor& t, std::int64_t n) { return t.slice(n, 1); }

// x y or x^T y of matrices [N, R, ., .].
Tensor product(const MatrixRef& x, const Tensor& y) {
  const std::int64_t rows = x.transposed ? x.cols : x.rows;
  const Tensor result = Tensor::empty({y.dim(0), y.dim(1), rows, y.dim(3)}, y.dtype(), Memory::workspace, "recurrence");
  multiply(x, matrices(y), result);
  return result;
}

void give(const Tensor& chunks, std::int64_t heads, const ChunkSizes& size, const GradientRows& to) {
  if (to.rows.defined()) from_chunks(chunks, heads, size, to.rows, to.accumulate);
}

}  // namespace

RecurrenceBlock::RecurrenceBlock(const RecurrenceSettings& settings, const RecurrenceInput& in,
                                 const ChunkSizes& window)
    : settings_(settings),
      input_(in),
      size_(window),
      sizes_(map_sizes(settings, in)),
      k_(to_chunks(in.k, settings.key_heads, size_)),
      v_(to_chunks(in.v, settings.heads, size_)),
      decays_(make_decays(to_chunks(in.log_decay, settings.heads, size_), in.documents, size_)) {
  if (in.beta.defined()) {
    delta_ = make_delta_chunks(decays_, to_chunks(in.beta, settings.heads, size_), k_, v_);
  }
  kd_ = workspace(size_.chunk, sizes_.key);
  to_end(decays_, k_, kd_);
}

Tensor RecurrenceBlock::workspace(std::int64_t rows, std::int64_t cols) const {
  return Tensor::empty({count(), size_.rows(), rows, cols}, k_.dtype(), Memory::workspace, "recurrence");
}

void RecurrenceBlock::advance(const Tensor& states) {
  written_ = delta_ ? workspace(size_.chunk, sizes_.value) : v_;
  for (std::int64_t n = 0; n < count(); ++n) {
    if (delta_) {
      multiply(matrices(at(delta_->keys, n)), matrices(at(states, n)), at(delta_->values, n), true);
      multiply(matrices(at(delta_->inverse, n)), matrices(at(delta_->values, n)), at(written_, n));
    }
    carry_states(decays_, n, at(states, n), at(states, n + 1), false);
    multiply(matrices(at(kd_, n)).t(), matrices(at(written_, n)), at(states, n + 1), true);
  }
}

void RecurrenceBlock::carry_change(const Tensor& states) const {
  for (std::int64_t n = 0; n < count(); ++n) {
    carry_states(decays_, n, at(states, n), at(states, n + 1), false);
    if (!delta_) continue;
    const Tensor right = product(matrices(at(delta_->keys, n)), at(states, n));
    const Tensor written = product(matrices(at(delta_->inverse, n)), right);
    multiply(matrices(at(kd_, n)).t(), matrices(written), at(states, n + 1), true);
  }
}

void RecurrenceBlock::make_scores() {
  q_ = to_chunks(input_.q, settings_.key_heads, size_);
  qd_ = workspace(size_.chunk, sizes_.key);
  from_start(decays_, settings_.scale, q_, qd_);
  scores_ = workspace(size_.chunk, size_.chunk);
  decayed_scores(decays_, settings_.scale, q_, k_, scores_);
}

void RecurrenceBlock::make_output(const Tensor& states) {
  make_scores();
  o_ = workspace(size_.chunk, sizes_.value);
  multiply(matrices(qd_), matrices(all_starts(states)), o_);
  multiply(matrices(scores_), matrices(written_), o_, true);
}

void RecurrenceBlock::add_to_output(const Tensor& change) const {
  multiply(matrices(qd_), matrices(all_starts(change)), o_, true);
  if (!delta_) return;
  const Tensor right = product(matrices(delta_->keys), all_starts(change));
  multiply(matrices(scores_), matrices(product(matrices(delta_->inverse), right)), o_, true);
}

void RecurrenceBlock::write_output(const Tensor& rows) const { from_chunks(o_, settings_.heads, size_, rows); }

// Chunk after chunk backwards, y the gradient of V + M S:
//   dw = P^T do + kd dS_{n+1},   y = A^T dw,   dS_n = e^{b_C} dS_{n+1} + qd^T do + M^T y
void RecurrenceBlock::start_backward(const Tensor& dout, const Tensor& dstates) {
  make_scores();
  do_ = to_chunks(dout, settings_.heads, size_);
  dwritten_ = product(matrices(scores_).t(), do_);
  dvalues_ = delta_ ? workspace(size_.chunk, sizes_.value) : dwritten_;
  multiply(matrices(qd_).t(), matrices(do_), all_starts(dstates));
  for (std::int64_t n = count(); n-- > 0;) {
    multiply(matrices(at(kd_, n)), matrices(at(dstates, n + 1)), at(dwritten_, n), true);
    carry_states(decays_, n, at(dstates, n + 1), at(dstates, n), true);
    if (!delta_) continue;
    multiply(matrices(at(delta_->inverse, n)).t(), matrices(at(dwritten_, n)), at(dvalues_, n));
    multiply(matrices(at(delta_->keys, n)).t(), matrices(at(dvalues_, n)), at(dstates, n), true);
  }
}

void RecurrenceBlock::carry_change_back(const Tensor& dstates) const {
  for (std::int64_t n = count(); n-- > 0;) {
    carry_states(decays_, n, at(dstates, n + 1), at(dstates, n), false);
    if (!delta_) continue;
    const Tensor dwritten = product(matrices(at(kd_, n)), at(dstates, n + 1));
    const Tensor dvalues = product(matrices(at(delta_->inverse, n)).t(), dwritten);
    multiply(matrices(at(delta_->keys, n)).t(), matrices(dvalues), at(dstates, n), true);
  }
}

void RecurrenceBlock::add_to_gradients(const Tensor& change) const {
  if (!delta_) return multiply(matrices(kd_), matrices(all_ends(change)), dvalues_, true);
  const Tensor dwritten = product(matrices(kd_), all_ends(change));
  multiply(matrices(delta_->inverse).t(), matrices(dwritten), dvalues_, true);
}

// dq, and the part of dk that comes from the scores.
void RecurrenceBlock::backward_queries(const Tensor& states) {
  dq_ = workspace(size_.chunk, sizes_.key);
  dk_ = workspace(size_.chunk, sizes_.key);
  multiply(matrices(do_), matrices(all_starts(states)).t(), dq_);
  from_start(decays_, settings_.scale, dq_, dq_);
  dk_.set_zero();
  multiply(matrices(do_), matrices(written_).t(), scores_);
  decayed_scores_backward(decays_, settings_.scale, q_, k_, scores_, dq_, dk_);
}

// With dq and dk of the recurrence without the delta rule, b_t has the gradient q_t dq_t - k_t dk_t, and b_C what was
// left at the end and what went through.
void RecurrenceBlock::write_gradients(const Tensor& states, const Tensor& dstates,
                                      const RecurrenceGradients& to) const {
  const Tensor dkd = workspace(size_.chunk, sizes_.key);
  multiply(matrices(written_), matrices(all_ends(dstates)).t(), dkd);
  to_end(decays_, dkd, dk_, true);
  const Tensor dsums = Tensor::empty(decays_.factors.shape(), k_.dtype(), Memory::workspace, "decay gradients");
  write_products(decays_, q_, dq_, k_, dk_, dsums);
  add_through_gradient(decays_, kd_, dkd, all_starts(states), all_ends(dstates), dsums);

  Tensor dv = dvalues_;
  if (delta_) {
    const Tensor dbeta = workspace(size_.chunk, 1);
    dv = workspace(size_.chunk, sizes_.value);
    delta_backward(decays_, *delta_, k_, v_, written_, all_starts(states), dvalues_, dk_, dv, dbeta, dsums);
    give(dbeta, settings_.heads, size_, to.beta);
  }
  give(dq_, settings_.key_heads, size_, to.q);
  give(dk_, settings_.key_heads, size_, to.k);
  give(dv, settings_.heads, size_, to.v);
  if (to.log_decay.rows.defined()) {
    give(log_decay_gradient(decays_, dsums), settings_.heads, size_, to.log_decay);
  }
}

}  // namespace longspan::ops
