// Rows by number, x [N, C] (all but the last dimension make the rows).
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

// y[i] = x[index[i]]; index int64, one entry a row of y. An entry of -1 gives zeros.
void gather_rows(const Tensor& x, const Tensor& index, const Tensor& y);
// x[index[i]] = y[i]; rows that no entry names are left alone, no row is named twice.
void scatter_rows(const Tensor& y, const Tensor& index, const Tensor& x);
// x[r] += y[i] for every i with index[i] = r, in the order of i. `order` sorts i by index: order[starts[r]],
// order[starts[r] + 1], ... are the i of row r; starts has one entry more than x has rows.
void add_rows(const Tensor& y, const Tensor& order, const Tensor& starts, const Tensor& x);

}  // namespace longspan::ops
