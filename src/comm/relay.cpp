#include "comm/relay.hpp"

#include <utility>

namespace longspan {
namespace {

constexpr int kTag = 4;

int neighbour(const Comm* axis, int step) {
  const int rank = axis ? axis->rank() + step : -1;
  return axis && rank < axis->size() ? rank : -1;
}

}  // namespace

Relay::Relay(const Comm* axis, std::vector<Tensor> states, bool reversed)
    : axis_(axis),
      states_(std::move(states)),
      before_(neighbour(axis, reversed ? 1 : -1)),
      after_(neighbour(axis, reversed ? -1 : 1)) {
  if (before_ < 0) return;
  for (const Tensor& state : states_) receives_.push_back(axis_->receive_async(state, before_, kTag));
}

const Tensor& Relay::enter(std::size_t group) {
  if (before_ >= 0) receives_[group].wait();
  return states_[group];
}

void Relay::leave(std::size_t group) {
  if (after_ >= 0) sends_.push_back(axis_->send_async(states_[group], after_, kTag));
}

}  // namespace longspan
