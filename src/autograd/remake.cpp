#include "autograd/remake.hpp"

namespace longspan {

void remake_in_backward(Tape& tape, const Variable& v, const std::function<Variable(Tape&)>& make) {
  if (!tape.recording()) return;
  v.release_value();
  tape.record("remake", [=] {
    Tape forward_only(false);
    v.restore_value(make(forward_only).value());
  });
}

}  // namespace longspan
