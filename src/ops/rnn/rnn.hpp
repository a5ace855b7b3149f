// Recurrences with a matrix between hidden states, one step after the other, in one kernel (Poeppel et al. 2024,
// "FlashRNN"). Heads have states of their own: the recurrent matrix is block-diagonal.
//   A rows of a batch, H heads, T steps, K channels of a head, accumulation dtype unless said otherwise
// At each step gates = bias + R h_{t-1} + x_t, of which R makes the first `recurrent` and x the last `inputs`; a cell
// (ops/rnn/cells.hpp) turns gates and entering states, of which the first is h, into new states:
//   elman  h = tanh(g)
//   gru    g r z n: h' = z h + (1 - z) tanh(n + r g), r and z through the sigmoid; R makes g r z, x makes r z n
//   lstm   i f z o: c' = sig(f) c + sig(i) tanh(z), h' = sig(o) tanh(c')
//   slstm  i f z o: c' = e^f c + e^i tanh(z), n' = e^f n + e^i with log sig(f) for f, kept finite by the running
//          maximum m of their exponents; h' = sig(o) c' / n'   (Beck et al. 2024, "xLSTM")
#pragma once

#include <array>

#include "tensor/tensor.hpp"

namespace longspan::ops {

enum class RnnCell { elman, gru, lstm, slstm };
inline constexpr std::array kRnnCells = {RnnCell::elman, RnnCell::gru, RnnCell::lstm, RnnCell::slstm};

struct RnnCellSizes {
  std::int64_t inputs, recurrent, gates, states;  // of each channel
};
RnnCellSizes cell_sizes(RnnCell cell);
const char* to_string(RnnCell cell);

// gates [A, H, T, gates K] = bias [H gates K] + x [A, H, T, inputs K] in the last columns. x, bias: the model's dtype.
void rnn_inputs(RnnCell cell, const Tensor& x, const Tensor& bias, const Tensor& gates);

// On entry gates are those of rnn_inputs, on return what the way back needs of them. weight [H recurrent K, K] (the
// model's dtype) holds R of each head, rows by (gate, channel). states [states, A, H, T, K] are those that enter each
// step; where resets (int32 [A, T]) is 1 states are zero. `state` [states, A, H, K] enters the first step and is
// overwritten by what the last one leaves. y [A, H, T, K] = h of each step, in the model's dtype.
void rnn_forward(RnnCell cell, const Tensor& weight, const Tensor& resets, const Tensor& gates, const Tensor& states,
                 const Tensor& state, const Tensor& y);

// From dy (the model's dtype), gates and states of the forward pass: dgates like gates. `dstate` like state: on entry
// the gradient of what the last step leaves, on return that of what enters the first one.
void rnn_backward(RnnCell cell, const Tensor& weight, const Tensor& resets, const Tensor& gates, const Tensor& states,
                  const Tensor& dy, const Tensor& dstate, const Tensor& dgates);

// What follows from dgates: dx (overwritten), and sums over rows and steps that are added to dbias and dweight.
void rnn_input_gradient(RnnCell cell, const Tensor& dgates, const Tensor& dx);
void rnn_parameter_gradients(RnnCell cell, const Tensor& dgates, const Tensor& states, const Tensor& dbias,
                             const Tensor& dweight);

}  // namespace longspan::ops
