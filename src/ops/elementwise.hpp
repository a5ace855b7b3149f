// Element-wise operations and reductions over whole tensors. Shapes are equal unless said otherwise.
#pragma once

#include <cstdint>
#include <vector>

#include "layout/sequence_shard.hpp"
#include "tensor/tensor.hpp"

namespace longspan::ops {

void fill(const Tensor& x, double value);
void copy(const Tensor& from, const Tensor& to);                   // converts between floating dtypes
void add(const Tensor& a, const Tensor& b, const Tensor& sum);     // sum = a + b; may alias
void add_scaled(const Tensor& x, double factor, const Tensor& y);  // y += factor x; dtypes may differ
void scale(const Tensor& x, double factor);                        // x *= factor
void multiply_elements(const Tensor& x, const Tensor& y);          // y *= x

// Every row of x = the row [cols], float64.
void repeat_row(const Tensor& row, const Tensor& x);

// Copies a block of columns: to[:, :] = from[:, first : first + to.cols], as rows by the last dimension.
void copy_columns(const Tensor& from, std::int64_t first, const Tensor& to);
// The other way: to[:, first : first + from.cols] = from.
void write_columns(const Tensor& from, const Tensor& to, std::int64_t first);

// out[c] += sum over rows of x[r, c]; out in the accumulation dtype. The sum is made per block of rows and combined
// in a fixed order, so that it is the same in every run.
void add_column_sums(const Tensor& x, const Tensor& out);

// Over all elements of all tensors, read back from the device once: the sum of squares in double; the largest |x|,
// infinite where a value is no number; whether every value is finite.
double sum_of_squares(const std::vector<Tensor>& tensors);
double max_absolute(const std::vector<Tensor>& tensors);
bool all_finite(const Tensor& x);
// total (float64, one element) += the sum of x, made in double; x in an accumulation dtype or int32.
void add_sum(const Tensor& x, const Tensor& total);

// x[r, c] = deviation * normal(key, global index of the element), where x [rows, cols] is a part of a logical
// [*, global_cols] matrix: its rows start at first_row, its columns columns.row, columns.row + 1, ... are the logical
// columns of the run. Other columns stay as they are. Any dtype; drawn in double.
void fill_normal(const Tensor& x, std::uint64_t key, double deviation, std::int64_t global_cols, std::int64_t first_row,
                 const PositionRun& columns);

}  // namespace longspan::ops
