// Blocked attention over one visiting block of keys and values, with an online softmax: no T x T buffer, any number of
// visits. One visit is plain attention on one rank; S visits are a ring (Liu et al. 2023, Dao 2023).
//
// Shapes: q, o, do, dq [B, H, Tq, K]; k, v, dk, dv [B, Hk, Tk, K]. Hk divides H; query head h reads key head h/(H/Hk).
//   s[i, j] = scale q_i . k_j + bias(i, j), softmax over the visible keys of all visits; scale = 1/sqrt(K)
//   o_i = sum_j p_ij v_j
// Visible: key position in [begin[i], end[i]) of query row i (causal, windowed, bidirectional and per-document masks
// are all such intervals, see layout/mask.hpp). ALiBi (Press et al. 2022): bias = -slope[h] |position_i - position_j|.
// Dropout acts on p_ij by a counter of (key, global sequence, global head, position_i, position_j), the same on any
// mesh; l and lse are sums without it.
//
// The state of a query row is kept in the accumulation dtype: m (running maximum), l (running sum of exponentials), acc
// (unnormalised output). finish() gives o = acc / l and lse = m + log l; a row that sees no key gets o = 0, lse = -inf.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "layout/sequence_shard.hpp"
#include "tensor/indices.hpp"

namespace longspan::ops {

// What both directions know about the queries and the rules.
struct AttentionRules {
  double scale = 1;
  std::vector<PositionRun> query_runs;  // positions of the local query rows
  // First and one-past-last visible key position of each query row: [B, Tq] (documents differ by sequence).
  Indices visible_begin, visible_end;
  Tensor alibi_slopes;  // [H] accumulation dtype, local heads; undefined: no bias
  double dropout = 0;
  std::uint64_t dropout_key = 0;  // of this layer and step
  // Of local head 0 and local sequence 0 in the whole model and batch: what the dropout counter is made of.
  std::int64_t first_head = 0, first_sequence = 0;
  // Called between tiles, so that messages move on while a visit computes: by the thread that asked for the visit,
  // perhaps from inside of a kernel, so that it must start none.
  std::function<void()> poll;
};

// The same for a layer of the local query heads [first, first + count) alone.
AttentionRules rules_for_heads(AttentionRules rules, std::int64_t first, std::int64_t count);

struct AttentionState {
  Tensor acc;   // [B, H, Tq, K]
  Tensor m, l;  // [B, H, Tq]
};
AttentionState make_attention_state(const Tensor& q);

// Adds the visit of k, v, whose rows have positions `key_runs`. Rows outside the runs (room in a cache) are not read,
// tiles that no query sees are skipped.
void attention_visit(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                     const std::vector<PositionRun>& key_runs, const AttentionState& state);
// o (dtype of q) and lse [B, H, Tq] (accumulation dtype).
void attention_finish(const AttentionState& state, const Tensor& o, const Tensor& lse);

// Adds a visit that was finished elsewhere, (o, lse) [B, H, n, K] and [B, H, n] in the accumulation dtype, to the rows
// [first_row, first_row + n) of the state:  m' = max(m, lse), l' = l e^(m-m') + e^(lse-m'), acc' likewise. A row with
// lse = -inf saw nothing and changes nothing.
void attention_merge(const AttentionState& state, const Tensor& o, const Tensor& lse, std::int64_t first_row);

// delta[i] = do_i . o_i, [B, H, Tq] in the accumulation dtype: shared by all visits of the backward.
void attention_delta(const Tensor& o, const Tensor& dout, const Tensor& delta);
// Adds this visit's part to dq, dk and dv (accumulation dtype).
void attention_visit_backward(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                              const std::vector<PositionRun>& key_runs, const Tensor& lse, const Tensor& dout,
                              const Tensor& delta, const Tensor& dq, const Tensor& dk, const Tensor& dv);

// Products with a mask of which this block computes `pairs` visible (query, key) pairs: 4 K FLOPs a pair and head
// forward, 10 K backward (the scores are computed again).
std::int64_t count_visible_pairs(const std::vector<PositionRun>& query_runs, const std::vector<PositionRun>& key_runs,
                                 const std::vector<std::int32_t>& begin, const std::vector<std::int32_t>& end);

}  // namespace longspan::ops
