// Recompute a segment (Chen et al. 2016, "Training deep nets with sublinear memory cost"): keeps only its input, runs
// the segment again when its gradient is asked for. Random masks are counter-based, so that the second run equals the
// first; every rank runs it again, so that its collectives meet.
#pragma once

#include <functional>

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"

namespace longspan {

using Segment = std::function<Variable(Tape&, const Variable&)>;

Variable recompute(Tape& tape, const Variable& x, const Segment& segment);

}  // namespace longspan
