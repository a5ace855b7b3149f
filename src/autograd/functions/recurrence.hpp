// Linear recurrences (ops/recurrence/recurrence.hpp) over a contiguous run of tokens on every rank of the sequence
// axis. What crosses ranks is one state, or one map of states, each way (comm/rank_scan.hpp): its bytes do not depend
// on T. Forward, the output of state zero is computed while the scan is under way; backward, the gradients of queries
// and scores. Saved: the inputs, the state that enters and the map of the run.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"
#include "ops/recurrence/recurrence.hpp"

namespace longspan {

struct RecurrenceVariables {
  Variable q, k, v;    // [B, T_local, heads * width]
  Variable log_decay;  // [B, T_local, H G], accumulation dtype
  Variable beta = {};  // [B, T_local, H], accumulation dtype; undefined without the delta rule
};

// o [B, T_local, H V]. Collective over the axis, which must outlive the tape.
Variable recurrence(Tape& tape, const ops::RecurrenceSettings& settings, const RecurrenceVariables& in,
                    const Tensor& documents, const Comm& sequence_axis);

// Generation: `state` [B H, K, V] is what the tokens so far left, and then what these leave too. Not on a tape.
Tensor extend_recurrence(const ops::RecurrenceSettings& settings, const RecurrenceVariables& in,
                         const Tensor& documents, const Tensor& state);

}  // namespace longspan
