#include "autograd/functions/tensor_axis.hpp"

#include "ops/elementwise.hpp"

namespace longspan {
namespace {

// A tensor that may be overwritten: t itself where nobody else holds it.
Tensor owned(Tensor t) {
  if (t.sole_owner()) return t;
  const Tensor mine = Tensor::empty(t.shape(), t.dtype());
  ops::copy(t, mine);
  return mine;
}

}  // namespace

Variable enter_tensor_region(Tape& tape, const Variable& x, const Comm& tensor_axis) {
  if (tensor_axis.size() == 1) return x;
  const Variable y(x.value());
  tape.record("enter_tensor_region", [=, &tensor_axis] {
    const Tensor dx = owned(y.take_gradient());
    tensor_axis.all_reduce(dx);
    x.add_gradient(dx);
  });
  return y;
}

Variable leave_tensor_region(Tape& tape, const Variable& x, const Comm& tensor_axis) {
  if (tensor_axis.size() == 1) return x;
  // x is a fresh partial sum that no other node reads: its storage becomes the total.
  tensor_axis.all_reduce(x.value());
  const Variable y(x.value());
  tape.record("leave_tensor_region", [=] { x.add_gradient(y.take_gradient()); });
  return y;
}

Variable shared_in_region(Tape& tape, const Variable& parameter, const Comm& tensor_axis) {
  if (tensor_axis.size() == 1 || !tape.recording()) return parameter;
  const Tensor& value = parameter.value();
  const Variable part = parameter.with_gradient(
      Tensor::zeros(value.shape(), accumulation_dtype(value.dtype()), Memory::gradients, "part of a gradient"));
  // As a weight's part, so that it comes after the weights' parts of all uses.
  tape.record("shared_in_region", {}, [=, &tensor_axis] {
    tensor_axis.all_reduce(part.gradient());
    ops::add_scaled(part.gradient(), 1.0, parameter.gradient());
  });
  return part;
}

}  // namespace longspan
