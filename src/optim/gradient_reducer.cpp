#include "optim/gradient_reducer.hpp"

namespace longspan {

void GradientReducer::start(int group) {
  for (const auto& [range, by_position] : store_.group_pieces(group)) {
    const Comm& ranks = holders(mesh_, by_position);
    if (ranks.size() == 1 || range.size() == 0) continue;
    requests_.push_back(ranks.all_reduce_async(store_.gradients().slice(range.begin, range.size())));
  }
}

void GradientReducer::poll() {
  for (auto& request : requests_) {
    if (request.active()) request.test();
  }
}

void GradientReducer::finish() {
  for (auto& request : requests_) request.wait();
  requests_.clear();
  for (const auto& p : store_.all()) {
    if (p->info().tied) mesh_.ends().all_reduce(p->gradient());
  }
}

}  // namespace longspan
