#include "autograd/variable.hpp"

#include "ops/elementwise.hpp"

namespace longspan {

void Variable::add_gradient(const Tensor& g) const {
  if (!state_->needs_gradient) return;
  if (state_->gradient_arrival) settle(state_->gradient_arrival);
  if (!state_->gradient.defined()) {
    state_->gradient = g;
    return;
  }
  const Slot slot = gradient_slot();
  ops::add_scaled(g, 1.0, slot.tensor);
}

void Variable::settle(std::shared_ptr<Arrival>& arrival) { std::exchange(arrival, nullptr)->request.wait(); }

void Variable::add_arriving_gradient(const Tensor& g, std::shared_ptr<Arrival> arrival) const {
  if (state_->gradient.defined()) {
    arrival->request.wait();
    return add_gradient(g);
  }
  state_->gradient = g;
  state_->gradient_arrival = std::move(arrival);
}

std::pair<Tensor, std::shared_ptr<Arrival>> Variable::arriving_value() const {
  return {state_->value, std::exchange(state_->value_arrival, nullptr)};
}

std::pair<Tensor, std::shared_ptr<Arrival>> Variable::take_arriving_gradient() const {
  return {std::exchange(state_->gradient, Tensor()), std::exchange(state_->gradient_arrival, nullptr)};
}

Variable::Slot Variable::gradient_slot() const {
  if (state_->gradient_arrival) settle(state_->gradient_arrival);
  Tensor& gradient = state_->gradient;
  if (state_->pinned) {
    LONGSPAN_CHECK(gradient.defined(), "[variable] the gradient of a parameter is not open");
    return {gradient, true};
  }
  if (!gradient.defined()) {
    const bool here = state_->value.defined();
    gradient = Tensor::empty(here ? state_->value.shape() : state_->shape, here ? state_->value.dtype() : state_->dtype,
                             Memory::activations, "gradient");
    return {gradient, false};
  }
  if (!gradient.sole_owner()) {  // the same tensor is somebody else's gradient too: copy before writing
    const Tensor mine = Tensor::empty(gradient.shape(), gradient.dtype(), Memory::activations, "gradient");
    ops::copy(gradient, mine);
    gradient = mine;
  }
  return {gradient, true};
}

}  // namespace longspan
