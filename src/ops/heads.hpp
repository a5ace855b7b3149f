// From projected rows to heads and back, with rotary positions applied on the way (one read, one write).
//   x [B, T, H*K]  <->  heads [B, H, T, K]
// Rotary embedding (Su et al. 2021, the half-split form of Llama): for j < K/2 with angle a = p * base^(-2j/K),
//   (u_j, u_{j+K/2}) -> (u_j cos a - u_{j+K/2} sin a,  u_{j+K/2} cos a + u_j sin a)
// p is the global position of the row, so that any shard of the sequence is rotated alike. The gradient is the
// rotation by -a.
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

// cos and sin of every row's angles: two tables [T, K/2] in the accumulation dtype of `dtype`, computed in double from
// `positions` (int32 [T]).
struct RotaryTable {
  Tensor cosine, sine;
  bool defined() const { return cosine.defined(); }
};
RotaryTable make_rotary_table(const std::vector<std::int32_t>& positions, std::int64_t head_width, double base,
                              Dtype dtype);

// `rotary` may be undefined: then a pure change of layout.
void split_heads(const Tensor& x, const RotaryTable& rotary, const Tensor& heads);
// x = or += (with `accumulate`) the rows of heads, rotated by -angle where `rotary` is defined: the backward of
// split_heads, and with no table the way back from attention.
void merge_heads(const Tensor& heads, const RotaryTable& rotary, const Tensor& x, bool accumulate = false);

}  // namespace longspan::ops
