// Rows of a table by index, forward above backward. A rank may hold only rows [first, first + table rows) of the
// logical table: indices outside give zero rows forward and nothing backward (the ranks' results add up to the whole).
//   forward   y[n] = table[index[n] - first]            index int32 [N], table [R, D], y [N, D] (overwritten)
//   backward  dtable[index[n] - first] += dy[n]         dtable in the accumulation dtype; rows in order, no atomics
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

void embedding_forward(const Tensor& table, const Tensor& index, std::int64_t first, const Tensor& y);
void embedding_backward(const Tensor& dy, const Tensor& index, std::int64_t first, const Tensor& dtable);

}  // namespace longspan::ops
