// Linformer (Wang et al. 2020): keys and values of all T positions are compressed to Kp rows by learned matrices
// E, F [Kp, T] before softmax attention, which then costs O(T Kp). Bidirectional only: a compressed row mixes all
// positions of a sequence. Grouped-query heads; rotary positions turn the keys before they are compressed.
//
// Over the sequence axis (Li et al. 2021, "Sequence Parallelism") each rank holds the columns of E and F at its own
// positions, so that nothing of size T lies on one rank:
//   forward   Kbar = sum_r E_r K_r,  Vbar = sum_r F_r V_r   [B, Hk, Kp, K]: one all-reduce of both
//             o_r = softmax(scale q_r Kbar^T) Vbar           local
//   backward  dKbar, dVbar: one all-reduce of both;  dK_r = E_r^T dKbar,  dE_r = sum over B, heads of dKbar K_r^T
// E and F serve all heads: the tensor axis, which splits heads, sums dE_r and dF_r in one message.
#pragma once

#include "mixers/head_projections.hpp"
#include "ops/attention.hpp"

namespace longspan {

class Linformer : public Mixer {
 public:
  // UserError where the model is causal, has a window, ALiBi, or attention that stays inside documents.
  Linformer(ParameterStore& store, const MixerSettings& settings);

  Variable forward(const Context& context, const Variable& x) const override;
  // Only causal models generate: these two are never reached.
  std::unique_ptr<MixerCache> make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const override;
  Variable extend(const Context& context, const Variable& x, MixerCache& cache) const override;
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  ModelConfig model_;
  int layer_;
  HeadProjections projections_;
  Parameter* compress_keys_;    // E
  Parameter* compress_values_;  // F
};

// The core. q [B, H, T_local, K], kv [2 B, Hk, T_local, K] (all keys, then all values), e, f [Kp, T_local] of this
// rank's positions -> o [B, H, T_local, K]. `rules` has all but the visible keys, which are the Kp compressed rows.
Variable linformer_attention(Tape& tape, ops::AttentionRules rules, const Variable& q, const Variable& kv,
                             const Variable& e, const Variable& f, const Comm& sequence_axis);

// Elements, of the accumulation dtype, that a layer all-reduces over the sequence axis in forward, and as many again in
// backward.
constexpr std::int64_t linformer_sequence_elements(std::int64_t batch, std::int64_t key_heads, std::int64_t rank,
                                                   std::int64_t head_width) {
  return 2 * batch * key_heads * rank * head_width;
}

}  // namespace longspan
