// A value on the tape together with its gradient. Copies of a Variable are the same variable.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "autograd/arrival.hpp"
#include "tensor/tensor.hpp"

namespace longspan {

class Variable {
 public:
  Variable() = default;
  explicit Variable(Tensor value, bool needs_gradient = true)
      : state_(std::make_shared<State>(State{std::move(value), Tensor(), needs_gradient, false})) {}
  // A parameter: its gradient lives in storage given from outside (accumulation dtype) and is always added to.
  static Variable parameter(Tensor value, Tensor gradient) {
    Variable v;
    v.state_ = std::make_shared<State>(State{std::move(value), std::move(gradient), true, true});
    return v;
  }

  bool defined() const { return state_ != nullptr; }
  // Waits for rows that are under way.
  const Tensor& value() const {
    if (state_->value_arrival) settle(state_->value_arrival);
    return state_->value;
  }
  // A parameter's storage may come and go between its uses.
  void set_value(Tensor value) const { state_->value = std::move(value); }
  bool needs_gradient() const { return state_->needs_gradient; }
  bool is_parameter() const { return state_->pinned; }

  // The gradient so far; undefined until the first contribution.
  const Tensor& gradient() const {
    if (state_->gradient_arrival) settle(state_->gradient_arrival);
    return state_->gradient;
  }
  void set_gradient(Tensor g) const { state_->gradient = std::move(g); }
  // Adds a contribution. The tensor is kept, not copied, where it is the first one; an in-place sum happens only in
  // storage that nobody else holds.
  void add_gradient(const Tensor& g) const;
  // For kernels that can add in place: storage to write into, and whether it already holds a gradient to add to.
  struct Slot {
    Tensor tensor;
    bool accumulate;
  };
  Slot gradient_slot() const;
  // Gives the value up where nothing but its gradient will be asked for.
  void release_value() const {
    if (!state_->value.defined()) return;
    state_->shape = state_->value.shape();
    state_->dtype = state_->value.dtype();
    state_->value = Tensor();
    state_->value_arrival = nullptr;
  }
  void restore_value(Tensor value) const { state_->value = std::move(value); }
  // Hands the gradient over and forgets it.
  Tensor take_gradient() const {
    if (state_->gradient_arrival) settle(state_->gradient_arrival);
    return std::exchange(state_->gradient, Tensor());
  }

  // A value or a first gradient some of whose rows are under way (autograd/arrival.hpp). Whoever can begin with the
  // rows that are here takes tensor and arrival, and waits.
  void set_arriving_value(std::shared_ptr<Arrival> arrival) const { state_->value_arrival = std::move(arrival); }
  void add_arriving_gradient(const Tensor& g, std::shared_ptr<Arrival> arrival) const;
  std::pair<Tensor, std::shared_ptr<Arrival>> arriving_value() const;
  std::pair<Tensor, std::shared_ptr<Arrival>> take_arriving_gradient() const;

  // Weight parts of the functions that read this variable may run later than their own place on the tape: while its
  // gradient is under way to other ranks. Null where they need not.
  using LateParts = std::vector<std::function<void()>>;
  void set_late_parts(std::shared_ptr<LateParts> parts) const { state_->late_parts = std::move(parts); }
  const std::shared_ptr<LateParts>& late_parts() const { return state_->late_parts; }

 private:
  struct State {
    Tensor value, gradient;
    bool needs_gradient;
    bool pinned;  // the gradient's storage was given from outside
    std::shared_ptr<Arrival> value_arrival = nullptr, gradient_arrival = nullptr;
    std::shared_ptr<LateParts> late_parts = nullptr;
    Shape shape = {};  // of a released value
    Dtype dtype = Dtype::float32;
  };
  static void settle(std::shared_ptr<Arrival>& arrival);
  std::shared_ptr<State> state_;
};

}  // namespace longspan
