// The selective scan (ops/recurrence/selective_scan.hpp) over a contiguous run of tokens on every rank of the sequence
// axis. What crosses ranks is one state [N, D] or map [1 + N, D] each way (comm/rank_scan.hpp), whatever the length: a
// first pass over the tokens gives the run's map, a second one, from the state that enters, the output. Saved: the
// inputs and the states at the start of each chunk.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"

namespace longspan {

struct SelectiveScanVariables {
  Variable x;            // [B, T_local, D]
  Variable step;         // [B, T_local, D], accumulation dtype
  Variable write, read;  // B and C, [B, T_local, N]
  Variable log_rate;     // [D, N], a parameter: A = -exp(log_rate)
  Variable skip;         // [D], a parameter
};

// y [B, T_local, D]. `carried` is undefined in training; in generation, on an axis of one rank, [B, N, D] is what the
// tokens so far left and then what these leave too. Collective over the axis, which must outlive the tape.
Variable selective_scan(Tape& tape, const SelectiveScanVariables& in, const Tensor& documents, std::int64_t chunk,
                        const Comm& sequence_axis, const Tensor& carried);

}  // namespace longspan
