// Values that are cheap to make again from others that are kept: dropped once their readers have run, made again when
// the backward pass comes by. Unlike a recomputed segment nothing expensive runs twice.
#pragma once

#include <functional>

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"

namespace longspan {

// Call it after the last reader of v is on the tape; `make` gives the same value again, on a tape that records nothing.
void remake_in_backward(Tape& tape, const Variable& v, const std::function<Variable(Tape&)>& make);

}  // namespace longspan
