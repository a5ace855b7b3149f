#include "autograd/recompute.hpp"

namespace longspan {

Variable recompute(Tape& tape, const Variable& x, const Segment& segment) {
  if (!tape.recording()) return segment(tape, x);
  Tape forward_only(false);
  const Variable y(segment(forward_only, Variable(x.value())).value());
  const auto inner = std::make_shared<Tape>();
  tape.record(
      "recompute",
      [=, &tape] {
        const Variable input(x.value());
        const Variable output = segment(*inner, input);
        output.set_gradient(y.take_gradient());
        inner->set_poll(tape.poll());
        inner->backward_inputs();
        x.add_gradient(input.take_gradient());
      },
      [=] { inner->backward_weights(); });
  return y;
}

}  // namespace longspan
