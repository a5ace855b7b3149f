// Writes the rows of `from` [..., n, C] into `to` [..., m, C] at rows [row, row + n) of each leading index: how a cache
// of keys grows in place.
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

void write_rows(const Tensor& from, const Tensor& to, std::int64_t row);
// The other way: rows [row, row + n) of `from` [..., m, C] into `to` [..., n, C].
void read_rows(const Tensor& from, std::int64_t row, const Tensor& to);

}  // namespace longspan::ops
