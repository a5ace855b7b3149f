#include "autograd/tape.hpp"

#include <utility>

namespace longspan {
namespace {

// Runs a part once and frees what it holds.
void run(Tape::Part& part) {
  if (!part) return;
  const Tape::Part once = std::exchange(part, {});
  once();
}

}  // namespace

void Tape::record(const char* name, Part input_gradient, Part weight_gradient) {
  if (!recording_) return;
  nodes_.push_back({name, std::move(input_gradient), std::move(weight_gradient)});
}

void Tape::backward() {
  while (!nodes_.empty()) {
    run(nodes_.back().input_gradient);
    run(nodes_.back().weight_gradient);
    nodes_.pop_back();
    if (poll_) poll_();
  }
}

void Tape::backward_inputs() {
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    run(nodes_[i].input_gradient);
    if (poll_) poll_();
  }
}

void Tape::backward_weights() {
  while (!nodes_.empty()) {
    run(nodes_.back().weight_gradient);
    nodes_.pop_back();
    if (poll_) poll_();
  }
}

}  // namespace longspan
