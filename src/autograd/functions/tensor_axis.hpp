// The two ends of a region whose work is split over the tensor axis (Shoeybi et al. 2019). Outside, every rank of the
// axis holds the same activations; inside, each holds its heads or columns.
//   enter  identity forward, all-reduce of the gradient backward
//   leave  all-reduce of partial sums forward, identity backward
// On an axis of one rank both return x itself.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"

namespace longspan {

Variable enter_tensor_region(Tape& tape, const Variable& x, const Comm& tensor_axis);
Variable leave_tensor_region(Tape& tape, const Variable& x, const Comm& tensor_axis);

// A replicated parameter that is used inside, where each rank of the axis sees a part of its gradient: the parts are
// summed over the axis. Call it before the parameter's uses and use what it returns.
Variable shared_in_region(Tape& tape, const Variable& parameter, const Comm& tensor_axis);

}  // namespace longspan
