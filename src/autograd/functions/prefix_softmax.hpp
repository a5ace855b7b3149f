// Softmax averages over growing prefixes (ops/recurrence/prefix_softmax.hpp) of a contiguous run of tokens on every
// rank of the sequence axis. What crosses ranks is one state of 3 + V numbers a head each way, whatever the length.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"

namespace longspan {

// scores [B, T_local, H] (accumulation dtype) of one query with K numbers a head, q [.., H K], with keys
// k [B, T_local, H K].
Variable query_scores(Tape& tape, const Variable& q, const Variable& k, std::int64_t heads, double scale);

// o [B, T_local, H V] of scores [B, T_local, H] and v [B, T_local, H V]. `carried` is undefined in training; in
// generation, on an axis of one rank, [B H, 3 + V] is what the tokens so far left and then what these leave too.
// Collective over the axis, which must outlive the tape.
Variable prefix_softmax(Tape& tape, const Variable& scores, const Variable& v, const Tensor& documents,
                        const Comm& sequence_axis, const Tensor& carried);

}  // namespace longspan
