#include "optim/gradient_reducer.hpp"

namespace longspan {

void GradientReducer::start(int group) {
  const Range range = store_.group_range(group);
  if (mesh_.replicas().size() == 1 || range.size() <= 0) return;
  requests_.push_back(mesh_.replicas().all_reduce_async(store_.gradients().slice(range.begin, range.size())));
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
