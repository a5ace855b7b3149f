#include "ops/recurrence/recurrence.hpp"

#include <algorithm>

#include "ops/elementwise.hpp"
#include "ops/recurrence/scores.hpp"

namespace longspan::ops {
namespace {

Tensor at(const Tensor& t, std::int64_t n) {
  const Tensor one = t.slice(n, 1);
  return one.reshape({t.dim(1), t.dim(2), t.dim(3)});
}

void add_to(const Tensor& x, const Tensor& y) { add(x, y, y); }

}  // namespace

Recurrence::Recurrence(const RecurrenceSettings& settings, const RecurrenceInput& in)
    : settings_(settings),
      size_{in.q.dim(0), settings.heads, in.q.dim(1), std::max<std::int64_t>(1, std::min(settings.chunk, in.q.dim(1))),
            settings.reversed},
      q_(to_chunks(in.q, settings.key_heads, size_)),
      k_(to_chunks(in.k, settings.key_heads, size_)),
      v_(to_chunks(in.v, settings.heads, size_)),
      decays_(make_decays(to_chunks(in.log_decay, settings.heads, size_), in.documents, size_)) {
  sizes_ = {k_.dim(3), v_.dim(3), decays_.sums.dim(3), in.beta.defined()};
  LONGSPAN_CHECK(sizes_.decay == 1 || (sizes_.decay == sizes_.key && !sizes_.dense),
                 "[recurrence] {} decays for {} channels", sizes_.decay, sizes_.key);
  if (in.beta.defined()) {
    delta_ = make_delta_chunks(decays_, to_chunks(in.beta, settings.heads, size_), k_, v_);
  }
  qd_ = workspace(size_.chunk, sizes_.key);
  kd_ = workspace(size_.chunk, sizes_.key);
  from_start(decays_, settings_.scale, q_, qd_);
  to_end(decays_, k_, kd_);

  states_ =
      Tensor::empty({count() + 1, size_.rows(), sizes_.key, sizes_.value}, k_.dtype(), Memory::workspace, "states");
  states_.slice(0, 1).set_zero();
  written_ = v_;
  if (delta_) {
    written_ = workspace(size_.chunk, sizes_.value);
    copy(delta_->U, written_);
  }
  for (std::int64_t n = 0; n < count(); ++n) {
    if (delta_) multiply(matrices(at(delta_->W, n)), matrices(at(states_, n)), at(written_, n), true);
    carry_states(decays_, n, at(states_, n), at(states_, n + 1), false);
    multiply(matrices(at(kd_, n)).t(), matrices(at(written_, n)), at(states_, n + 1), true);
  }
}

Tensor Recurrence::workspace(std::int64_t rows, std::int64_t cols) const {
  return Tensor::empty({count(), size_.rows(), rows, cols}, k_.dtype(), Memory::workspace, "recurrence");
}

Tensor Recurrence::zero_state() const {
  return Tensor::zeros({size_.rows(), sizes_.key, sizes_.value}, k_.dtype(), Memory::workspace, "state");
}

void Recurrence::propagate(const Tensor& states) const {
  const Tensor forgotten =
      Tensor::empty({size_.rows(), size_.chunk, states.dim(3)}, k_.dtype(), Memory::workspace, "recurrence");
  for (std::int64_t n = 0; n < count(); ++n) {
    carry_states(decays_, n, at(states, n), at(states, n + 1), false);
    if (!delta_) continue;
    multiply(matrices(at(delta_->W, n)), matrices(at(states, n)), forgotten);
    multiply(matrices(at(kd_, n)).t(), matrices(forgotten), at(states, n + 1), true);
  }
}

// gradients[n] from gradients[n + 1]: the adjoint of propagate.
void Recurrence::propagate_back(const Tensor& gradients) const {
  const Tensor forgotten =
      Tensor::empty({size_.rows(), size_.chunk, sizes_.value}, k_.dtype(), Memory::workspace, "recurrence");
  for (std::int64_t n = count(); n-- > 0;) {
    carry_states(decays_, n, at(gradients, n + 1), at(gradients, n), false);
    if (!delta_) continue;
    multiply(matrices(at(kd_, n)), matrices(at(gradients, n + 1)), forgotten);
    multiply(matrices(at(delta_->W, n)).t(), matrices(forgotten), at(gradients, n), true);
  }
}

Tensor Recurrence::final_state() const { return at(states_, count()); }

Tensor Recurrence::map() const {
  if (!sizes_.dense) return pack_map(sizes_, decay_through(decays_), final_state());
  const std::int64_t R = size_.rows(), K = sizes_.key;
  std::vector<double> identity(static_cast<std::size_t>(K * K), 0);
  for (std::int64_t i = 0; i < K; ++i) identity[static_cast<std::size_t>(i * K + i)] = 1;
  const Tensor one = Tensor::from_host(identity, {K, K}, Memory::workspace, "identity");
  const Tensor columns = Tensor::empty({count() + 1, R, K, K}, k_.dtype(), Memory::workspace, "recurrence");
  for (std::int64_t r = 0; r < R; ++r) copy(one, at(columns, 0).slice(r, 1).reshape({K, K}));
  propagate(columns);
  return pack_map(sizes_, at(columns, count()), final_state());
}

void Recurrence::compute_output() {
  scores_ = workspace(size_.chunk, size_.chunk);
  o_ = workspace(size_.chunk, sizes_.value);
  decayed_scores(decays_, settings_.scale, q_, k_, scores_);
  multiply(matrices(qd_), matrices(all_starts(states_)), o_);
  multiply(matrices(scores_), matrices(written_), o_, true);
}

void Recurrence::enter(const Tensor& state) {
  const Tensor change = Tensor::empty(states_.shape(), states_.dtype(), Memory::workspace, "states");
  copy(state, at(change, 0));
  propagate(change);
  add_to(change, states_);
  if (o_.defined()) multiply(matrices(qd_), matrices(all_starts(change)), o_, true);
  if (!delta_) return;
  const Tensor forgotten = workspace(size_.chunk, sizes_.value);
  multiply(matrices(delta_->W), matrices(all_starts(change)), forgotten);
  add_to(forgotten, written_);
  if (o_.defined()) multiply(matrices(scores_), matrices(forgotten), o_, true);
}

void Recurrence::write_output(const Tensor& o) const { from_chunks(o_, settings_.heads, size_, o); }

// From gradient 0 of the leaving state, chunk after chunk backwards:
//   dw = P^T do + kd dS_{n+1},   dS_n = e^{b_C} dS_{n+1} + qd^T do + W^T dw
void Recurrence::start_backward(const Tensor& dout) {
  do_ = to_chunks(dout, settings_.heads, size_);
  scores_ = workspace(size_.chunk, size_.chunk);
  decayed_scores(decays_, settings_.scale, q_, k_, scores_);
  dwritten_ = workspace(size_.chunk, sizes_.value);
  multiply(matrices(scores_).t(), matrices(do_), dwritten_);
  dstates_ = Tensor::empty(states_.shape(), states_.dtype(), Memory::workspace, "state gradients");
  multiply(matrices(qd_).t(), matrices(do_), all_starts(dstates_));
  dstates_.slice(count(), 1).set_zero();
  for (std::int64_t n = count(); n-- > 0;) {
    multiply(matrices(at(kd_, n)), matrices(at(dstates_, n + 1)), at(dwritten_, n), true);
    carry_states(decays_, n, at(dstates_, n + 1), at(dstates_, n), true);
    if (delta_) multiply(matrices(at(delta_->W, n)).t(), matrices(at(dwritten_, n)), at(dstates_, n), true);
  }
}

Tensor Recurrence::adjoint_map(const Tensor& map) const {
  return pack_map(sizes_, unpack_decay(sizes_, map), at(dstates_, 0), true);
}

// dq, and the part of dk that comes from the scores.
void Recurrence::backward_queries() {
  dq_ = workspace(size_.chunk, sizes_.key);
  dk_ = workspace(size_.chunk, sizes_.key);
  multiply(matrices(do_), matrices(all_starts(states_)).t(), dq_);
  from_start(decays_, settings_.scale, dq_, dq_);
  dk_.set_zero();
  multiply(matrices(do_), matrices(written_).t(), scores_);
  decayed_scores_backward(decays_, settings_.scale, q_, k_, scores_, dq_, dk_);
}

void Recurrence::leave(const Tensor& dstate) {
  const Tensor change = Tensor::empty(dstates_.shape(), dstates_.dtype(), Memory::workspace, "state gradients");
  copy(dstate, at(change, count()));
  propagate_back(change);
  add_to(change, dstates_);
  multiply(matrices(kd_), matrices(all_ends(change)), dwritten_, true);
}

// With dq and dk of the recurrence without the delta rule, b_t has the gradient q_t dq_t - k_t dk_t, and b_C what was
// left at the end and what went through.
Recurrence::Gradients Recurrence::finish_backward() {
  const Tensor dkd = workspace(size_.chunk, sizes_.key), faded = workspace(size_.chunk, sizes_.key);
  multiply(matrices(written_), matrices(all_ends(dstates_)).t(), dkd);
  to_end(decays_, dkd, faded);
  add_to(faded, dk_);
  const Tensor dsums = Tensor::zeros(decays_.sums.shape(), Dtype::float64, Memory::workspace, "decay gradients");
  add_products(decays_, 1, q_, dq_, dsums);
  add_products(decays_, -1, k_, dk_, dsums);
  add_through_gradient(decays_, kd_, dkd, all_starts(states_), all_ends(dstates_), dsums);

  Gradients g{.q = dq_, .k = dk_, .v = dwritten_, .log_decay = {}, .beta = {}};
  if (delta_) {
    const Tensor dW = workspace(size_.chunk, sizes_.key);
    multiply(matrices(dwritten_), matrices(all_starts(states_)).t(), dW);
    g.v = workspace(size_.chunk, sizes_.value);
    g.beta = workspace(size_.chunk, 1);
    delta_backward(decays_, *delta_, k_, v_, dW, dwritten_, dk_, g.v, g.beta, dsums);
  }
  g.log_decay = log_decay_gradient(decays_, dsums, k_.dtype());
  return g;
}

}  // namespace longspan::ops
