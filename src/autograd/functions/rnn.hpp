// Recurrences with a matrix between hidden states (ops/rnn/rnn.hpp) and the way from rows to heads, on the tape. Saved:
// the gates and the states that enter each step.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"
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

// Over which ranks the steps of x are spread, and in how many groups of sequences these work at once. Without an axis x
// holds whole sequences.
struct RnnRelay {
  const Comm* axis = nullptr;
  std::int64_t groups = 1;
};

// Heads `heads` of the parameters run over x [B, h, T, inputs K] from states of zero or, behind the first rank of a
// relay, from what the rank before leaves; resets as in rnn_forward. Returns h [B, h, T, K].
Variable rnn(Tape& tape, ops::RnnCell cell, const Variable& x, const RnnParameters& parameters, const Range& heads,
             const Tensor& resets, const RnnRelay& relay = {});

// Generation: `state` [states, B, H, K] is what the steps so far left, and then what these leave. Not on a tape.
Tensor extend_rnn(ops::RnnCell cell, const Tensor& x, const RnnParameters& parameters, const Tensor& resets,
                  const Tensor& state);

}  // namespace longspan
