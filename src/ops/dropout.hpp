// Dropout by a counter-based mask: element i of the logical tensor is kept where uniform(key, global index) >= rate and
// is divided by 1 - rate; uniform is word (index mod 4) of philox(key, index / 4). The mask is never stored: backward
// applies the same function to dy.
//   x, y [N, C]: local rows of a logical [*, global_cols] matrix; rows[n] (int64 [N]) is row n's global index, the
//   columns start at first_col. y may be x.
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

void dropout(const Tensor& x, double rate, std::uint64_t key, const Tensor& rows, std::int64_t global_cols,
             std::int64_t first_col, const Tensor& y);

}  // namespace longspan::ops
