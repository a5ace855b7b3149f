// Consecutive chunks of a linear recurrence, computed at once as matrix products. With chunk n's start state S_n,
// decays b (decay.hpp) and scores P (scores.hpp):
//   w = v, or by the delta rule w = A (V + M S_n)    (delta.hpp)
//   S_{n+1} = e^{b_C} S_n + kd^T w,   kd_t = e^{b_C - b_t} k_t
//   o = qd S_n + P w,                 qd_t = scale e^{b_t} q_t
// `states` [N + 1, R, K, V] are those at the block's chunks' starts and the one at its end, `dstates` their gradients.
// All is linear in the state that enters and in the gradient of the one that leaves: where these come late the block is
// computed from zero, and what they change is added.
#pragma once

#include <optional>

#include "ops/recurrence/delta.hpp"
#include "ops/recurrence/run.hpp"

namespace longspan::ops {

class RecurrenceBlock {
 public:
  RecurrenceBlock(const RecurrenceSettings& settings, const RecurrenceInput& input, const ChunkSizes& window);

  std::int64_t count() const { return size_.count(); }
  const Decays& decays() const { return decays_; }

  // states[1..N] from states[0]; once.
  void advance(const Tensor& states);
  // The same without inflow: what a change of states[0] changes.
  void carry_change(const Tensor& states) const;
  // After `advance`: o; what a change of the states adds to it; to rows [B, T, H V].
  void make_output(const Tensor& states);
  void add_to_output(const Tensor& change) const;
  void write_output(const Tensor& rows) const;

  // Backward, after `advance`: dstates[0..N-1] from the last one and the gradient of o, in rows.
  void start_backward(const Tensor& dout, const Tensor& dstates);
  // What a change of dstates[N] changes; add it to the gradients.
  void carry_change_back(const Tensor& dstates) const;
  void add_to_gradients(const Tensor& change) const;
  // What does not depend on dstates, then the rest.
  void backward_queries(const Tensor& states);
  void write_gradients(const Tensor& states, const Tensor& dstates, const RecurrenceGradients& gradients) const;

 private:
  Tensor workspace(std::int64_t rows, std::int64_t cols) const;  // [N, R, rows, cols]
  void make_scores();
  Tensor all_starts(const Tensor& states) const { return states.slice(0, count()); }
  Tensor all_ends(const Tensor& states) const { return states.slice(1, count()); }

  const RecurrenceSettings& settings_;
  const RecurrenceInput& input_;
  ChunkSizes size_;
  AffineMapSizes sizes_;
  Tensor k_, v_;
  Decays decays_;
  std::optional<DeltaChunks> delta_;
  Tensor kd_;
  Tensor written_;  // w, [N, R, C, V]
  Tensor q_, qd_, scores_, o_;
  // Gradients of o, w, V + M S (of v without the delta rule), q and k.
  Tensor do_, dwritten_, dvalues_, dq_, dk_;
};

}  // namespace longspan::ops
