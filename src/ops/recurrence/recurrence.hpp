// Linear recurrences with a matrix state over one rank's run of tokens, in chunks, as matrix products. Per head
//   S_t = diag(a_t) S_{t-1} + k_t^T w_t,   o_t = scale q_t S_t      q, k [K], v, w [V], S [K, V], 0 < a_t <= 1
// with w_t = v_t (linear attention, Katharopoulos et al. 2020; retention, Sun et al. 2023; gated linear attention, Yang
// et al. 2023; state space duality, Dao and Gu 2024), or by the (gated) delta rule w_t = beta_t (v_t - a_t S_{t-1}^T
// k_t) (Yang et al. 2024). log a_t is one number (G = 1) or one a channel (G = K).
//
// With chunk n's start state S_n, decays b (decay.hpp) and scores P (scores.hpp):
//   w = U + W S_n               (U = v and W = 0 without the delta rule, delta.hpp)
//   S_{n+1} = e^{b_C} S_n + kd^T w,   kd_t = e^{b_C - b_t} k_t
//   o = qd S_n + P w,                 qd_t = scale e^{b_t} q_t
// The state that enters the run may come late: all is linear in it, so that the run is computed from state zero first
// and `enter` adds what the state changes; backward likewise with the gradient of the state that leaves.
#pragma once

#include <optional>

#include "ops/recurrence/affine_map.hpp"
#include "ops/recurrence/delta.hpp"

namespace longspan::ops {

struct RecurrenceSettings {
  std::int64_t heads = 1;      // H
  std::int64_t key_heads = 1;  // of q and k; each serves H / key_heads heads
  std::int64_t chunk = 64;     // C
  double scale = 1;
  bool reversed = false;  // from the last token to the first
};

// Rows [B, T, heads * width]; log_decay and beta in the accumulation dtype of the others.
struct RecurrenceInput {
  Tensor q, k, v;
  Tensor log_decay;  // [B, T, H G]
  Tensor beta;       // [B, T, H]; undefined without the delta rule
  Tensor documents;  // int32 [B, T] (decay.hpp), in the order of the recurrence
};

class Recurrence {
 public:
  // Chunks, decays and states from state zero.
  Recurrence(const RecurrenceSettings& settings, const RecurrenceInput& input);

  const AffineMapSizes& sizes() const { return sizes_; }
  Tensor zero_state() const;  // [R, K, V], R = B H

  // What the run does to the state that enters it.
  Tensor map() const;
  // o of state zero, [N, R, C, V]; `enter` then also corrects it.
  void compute_output();
  void enter(const Tensor& state);
  void write_output(const Tensor& o) const;  // rows [B, T, H V]
  Tensor final_state() const;

  // Backward, after `enter`. dout rows [B, T, H V]. Collects what does not need the gradient of the leaving state.
  void start_backward(const Tensor& dout);
  // What the run does, backwards, to the gradient of the state that leaves; `map` is what map() gave.
  Tensor adjoint_map(const Tensor& map) const;
  void backward_queries();
  // The gradient of the leaving state, known at last.
  void leave(const Tensor& dstate);
  struct Gradients {
    Tensor q, k, v, log_decay, beta;  // chunks
  };
  Gradients finish_backward();
  const ChunkSizes& chunks() const { return size_; }

 private:
  std::int64_t count() const { return size_.count(); }
  Tensor workspace(std::int64_t rows, std::int64_t cols) const;  // [N, R, rows, cols]
  // states[1..N] from states[0] without inflow: the linear part of the recurrence.
  void propagate(const Tensor& states) const;
  void propagate_back(const Tensor& gradients) const;
  Tensor all_starts(const Tensor& states) const { return states.slice(0, count()); }
  Tensor all_ends(const Tensor& states) const { return states.slice(1, count()); }

  RecurrenceSettings settings_;
  ChunkSizes size_;
  AffineMapSizes sizes_;
  Tensor q_, k_, v_;
  Decays decays_;
  std::optional<DeltaChunks> delta_;
  Tensor qd_, kd_;  // qd, kd
  Tensor written_;  // w, [N, R, C, V]
  Tensor states_;   // [N + 1, R, K, V]
  Tensor scores_, o_;
  // Backward: gradients of o, w, the states, q and k, and of the decays' sums.
  Tensor do_, dwritten_, dstates_, dq_, dk_;
};

}  // namespace longspan::ops
