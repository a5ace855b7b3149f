// What crosses the tensor axis (Shoeybi et al. 2019; rows between the layers: Korthikanti et al. 2022). Between the
// layers each rank of the axis holds some rows of the residual stream: norms, dropout and sums cost each its share.
// Inside a layer it holds all rows and its heads or columns, and makes partial sums.
//   gather_rows   all-gather of rows forward; reduce-scatter of gradients, of which each rank has a part, backward
//   scatter_rows  reduce-scatter of partial sums forward; all-gather of gradients backward
//   sum_inside    all-reduce of partial sums forward and of parts of gradients backward
// Inside a layer a gradient is a rank's part too, of activations and of parameters that all ranks hold whole: its sum
// over the axis counts. Parameters' parts are summed once a step (optim/gradient_reducer.hpp).
// Messages go on while products compute: rows that are gathered arrive during the product of this rank's own ones
// (autograd/arrival.hpp), and what is scattered backward leaves during the products of weights' gradients.
// Together a layer sends as much as with the two all-reduces of ranks that hold all rows. On an axis of one rank each
// returns x itself.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"
#include "layout/split.hpp"

namespace longspan {

// Which of n rows, the sequences of a microbatch one after the other, this rank holds between the layers.
inline Range residual_rows(const Comm& tensor_axis, std::int64_t n) {
  return split(n, tensor_axis.size(), tensor_axis.rank());
}

// x [rows, D], this rank's, becomes `whole` [B, T_local, D]; its own value is released.
Variable gather_rows(Tape& tape, const Variable& x, const Shape& whole, const Comm& tensor_axis);
// Partial sums [B, T_local, D] become this rank's rows [rows, D] of their total; their value is released.
Variable scatter_rows(Tape& tape, const Variable& partial, const Comm& tensor_axis);
Variable sum_inside(Tape& tape, const Variable& partial, const Comm& tensor_axis);

}  // namespace longspan
