// Linear recurrences with a matrix state over one rank's run of tokens. Per head
//   S_t = diag(a_t) S_{t-1} + k_t^T w_t,   o_t = scale q_t S_t      q, k [K], v, w [V], S [K, V], 0 < a_t <= 1
// with w_t = v_t (linear attention, Katharopoulos et al. 2020; retention, Sun et al. 2023; gated linear attention, Yang
// et al. 2023; state space duality, Dao and Gu 2024), or by the (gated) delta rule w_t = beta_t (v_t - a_t S_{t-1}^T
// k_t) (Yang et al. 2024). log a_t is one number (G = 1) or one a channel (G = K).
//
// Chunks are matrix products (block.hpp), a few at a time. Where a run is one of several, split_recurrence.hpp.
#pragma once

#include "ops/recurrence/run.hpp"

namespace longspan::ops {

// Room for the states that the backward pass starts from, one a window of chunks: [windows, R, K, V].
Tensor make_window_states(const RecurrenceSettings& settings, const RecurrenceInput& input);

// state [R, K, V], R = B H, enters and is overwritten by what leaves; o rows [B, T, H V]. `starts` of
// make_window_states, or undefined where no backward pass follows.
void recurrence_forward(const RecurrenceSettings& settings, const RecurrenceInput& input, const Tensor& state,
                        const Tensor& o, const Tensor& starts);
// dout rows [B, T, H V].
void recurrence_backward(const RecurrenceSettings& settings, const RecurrenceInput& input, const Tensor& starts,
                         const Tensor& dout, const RecurrenceGradients& gradients);

}  // namespace longspan::ops
