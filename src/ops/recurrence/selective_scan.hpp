// The selective scan over one rank's run of tokens (Gu and Dao 2023): every channel c has a state of N numbers whose
// step size, input and output maps come from the token,
//   h_t[n, c] = exp(step_t[c] A[n, c]) h_{t-1}[n, c] + step_t[c] B_t[n] x_t[c]          A < 0
//   y_t[c] = sum_n C_t[n] h_t[n, c] + skip[c] x_t[c]
// The states of all tokens [T, N, D] never exist: forward keeps those at the start of each chunk, backward computes a
// chunk's again, for a few channels at a time. Sums over channels and sequences are made per block of channels and
// combined in order.
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

struct SelectiveScanInput {
  Tensor x;            // [B, T, D]
  Tensor step;         // [B, T, D], accumulation dtype
  Tensor write, read;  // B and C, [B, T, N]
  Tensor rates;        // A, [N, D], accumulation dtype
  Tensor skip;         // [D]
  Tensor documents;    // int32 [B, T] (decay.hpp): at a document's first token the state is forgotten
};

// A [N, D] = -exp(log_rate [D, N]), and dlog_rate += A dA.
Tensor scan_rates(const Tensor& log_rate);
void scan_rates_backward(const Tensor& rates, const Tensor& drates, const Tensor& dlog_rate);

// Room for the states at the start of each chunk.
Tensor scan_starts(const SelectiveScanInput& in, std::int64_t chunk);

// `state` [B, N, D], accumulation dtype, enters; overwritten with what leaves. `starts` and y may be undefined.
void selective_scan_forward(const SelectiveScanInput& in, std::int64_t chunk, const Tensor& state, const Tensor& starts,
                            const Tensor& y);

// `dstate` is the gradient of the leaving state; overwritten with that of the entering one. The other gradients are
// written (x, write, read: model's dtype) or added to (skip: accumulation dtype).
struct SelectiveScanGradients {
  Tensor x, step, write, read, rates, skip;
};
void selective_scan_backward(const SelectiveScanInput& in, std::int64_t chunk, const Tensor& starts, const Tensor& dy,
                             const Tensor& dstate, const SelectiveScanGradients& gradients);

}  // namespace longspan::ops
