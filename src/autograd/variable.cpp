#include "autograd/variable.hpp"

#include "ops/elementwise.hpp"

namespace longspan {

void Variable::add_gradient(const Tensor& g) const {
  if (!state_->needs_gradient) return;
  if (!state_->gradient.defined()) {
    state_->gradient = g;
    return;
  }
  const Slot slot = gradient_slot();
  ops::add_scaled(g, 1.0, slot.tensor);
}

Variable::Slot Variable::gradient_slot() const {
  Tensor& gradient = state_->gradient;
  if (state_->pinned) {
    LONGSPAN_CHECK(gradient.defined(), "[variable] the gradient of a parameter is not open");
    return {gradient, true};
  }
  if (!gradient.defined()) {
    gradient = Tensor::empty(state_->value.shape(), state_->value.dtype(), Memory::activations, "gradient");
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
