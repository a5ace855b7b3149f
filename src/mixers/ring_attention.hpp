// Blockwise ring attention (Liu et al. 2023): keys and values visit every rank of the sequence axis while queries stay.
// The next block is on its way while the present one is computed. Saved for backward: q, k, v, o and the log-sum-exp.
//
// Per rank, with n_r the rows of rank r and S ranks, elements of [2 B, Hk, n, K] blocks:
//   forward   K, V:   the blocks of ranks s, s-1, ..., s-S+2 are sent on: S-1 messages
//   backward  K, V:   the same again;  dK, dV (accumulation dtype): S messages, the last one brings them home
// The sums are layout/volume.hpp's closed forms. On an axis of one rank nothing is sent.
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"
#include "layout/sequence_shard.hpp"
#include "ops/attention.hpp"

namespace longspan {

// q [B, H, T_local, K], kv [2 B, Hk, T_local, K] (all keys, then all values) -> o [B, H, T_local, K].
Variable ring_attention(Tape& tape, const ops::AttentionRules& rules, const Variable& q, const Variable& kv,
                        const SequenceShard& shard, const Comm& sequence_axis);

}  // namespace longspan
