#include "optim/gradient_reducer.hpp"

#include "ops/elementwise.hpp"

namespace longspan {

void GradientReducer::start(int group, bool last) {
  const int zero = store_.zero();
  if (!last && !shards_gradients(zero)) return;
  if (shards_states(zero)) wait();
  for (const auto& [piece, whole] : store_.take_gradients(group)) {
    const Comm& ranks = mesh_.holders(piece.split_axis);
    if (!shards_states(zero)) {
      sums_.push_back({.request = ranks.all_reduce_async(whole)});
      continue;
    }
    Sum sum{.whole = whole, .owned = store_.owned_gradient(piece)};
    sum.part = Tensor::empty(sum.owned.shape(), whole.dtype(), Memory::gradients, "sum of gradients");
    sum.request = ranks.reduce_scatter_async(whole, sum.part, owned_counts(piece.range, piece.holders));
    sums_.push_back(std::move(sum));
  }
}

void GradientReducer::poll() {
  for (Sum& sum : sums_) {
    if (sum.request.active()) sum.request.test();
  }
}

// In stage 1 the whole gradients were added up before.
void GradientReducer::wait() {
  for (Sum& sum : sums_) {
    sum.request.wait();
    if (!sum.part.defined()) continue;
    if (shards_gradients(store_.zero())) {
      ops::add_scaled(sum.part, 1.0, sum.owned);
    } else {
      ops::copy(sum.part, sum.owned);
    }
  }
  sums_.clear();
}

void GradientReducer::finish() {
  wait();
  for (const auto& p : store_.all()) {
    if (p->info().tied) mesh_.ends().all_reduce(store_.owned_gradient(*p));
  }
}

}  // namespace longspan
