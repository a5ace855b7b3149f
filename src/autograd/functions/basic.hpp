// Tape functions of the dense operations: each saves, calls its kernels and returns. x is [..., D], weights are
// parameters with a logical [out, in] matrix.
#pragma once

#include <vector>

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "ops/heads.hpp"
#include "ops/matmul.hpp"

namespace longspan {

// y = x weight^T + bias; bias may be undefined.
Variable linear(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias = {});

// Blocks of columns of x, one after the other, which together are x.
std::vector<Variable> split_columns(Tape& tape, const Variable& x, const std::vector<std::int64_t>& widths);

Variable add(Tape& tape, const Variable& a, const Variable& b);
Variable activation(Tape& tape, ops::Activation kind, const Variable& x);
Variable swiglu(Tape& tape, const Variable& gate, const Variable& up);
Variable layer_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias, double epsilon);
Variable rms_norm(Tape& tape, const Variable& x, const Variable& weight, double epsilon);

// Rows x [B, T, H K] rotated by head (ops/heads.hpp); x itself where `rotary` is undefined.
Variable rotate_heads(Tape& tape, const Variable& x, const ops::RotaryTable& rotary, std::int64_t heads);

// Rows [first, first + R) of a table whose other rows are elsewhere; index int32 [B, T] -> [B, T, D].
Variable embedding(Tape& tape, const Variable& table, const Tensor& index, std::int64_t first);

// Counter-based dropout of rows with global numbers `rows` (int64 [N]); columns start at first_col of global_cols.
// x in storage of its own: for a parameter that is an input of other functions, which keep what they read.
Variable copied(Tape& tape, const Variable& x);
Variable dropout(Tape& tape, const Variable& x, double rate, std::uint64_t key, const Tensor& rows,
                 std::int64_t global_cols, std::int64_t first_col = 0);

}  // namespace longspan
