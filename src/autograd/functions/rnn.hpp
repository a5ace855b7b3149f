// Recurrences with a matrix between hidden states (ops/rnn/rnn.hpp) and the way from rows to heads, on the tape. Saved:
// the gates and the states that enter each step.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "layout/split.hpp"
#include "ops/rnn/rnn.hpp"

namespace longspan {

// x [B, T, H W] <-> [B, H, T, W].
Variable split_heads(Tape& tape, const Variable& x, std::int64_t heads);
Variable merge_heads(Tape& tape, const Variable& x);

// Parameters of all heads of this rank; weight [H recurrent K, K], bias [H gates K].
struct RnnParameters {
  Variable weight, bias;
};

// Heads `heads` of the parameters run over x [B, h, T, inputs K] from states of zero; resets as in rnn_forward.
// Returns h [B, h, T, K].
Variable rnn(Tape& tape, ops::RnnCell cell, const Variable& x, const RnnParameters& parameters, const Range& heads,
             const Tensor& resets);

// Generation: `state` [states, B, H, K] is what the steps so far left, and then what these leave. Not on a tape.
Tensor extend_rnn(ops::RnnCell cell, const Tensor& x, const RnnParameters& parameters, const Tensor& resets,
                  const Tensor& state);

}  // namespace longspan
