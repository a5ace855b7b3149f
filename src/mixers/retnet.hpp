// Multi-scale retention (Sun et al. 2023, "Retentive network"): linear attention with a fixed decay a head,
//   S_t = gamma_h S_{t-1} + k_t^T v_t,  o_t = q_t S_t / sqrt(K),  gamma_h = 1 - 2^(-5-h),  h = 0 .. H-1
// queries and keys rotated by position where model.positions = rotary; then y = (SiLU(x Wg) norm(o)) Wo with a norm for
// each head. K = D / H, V = 2 K. Heads over the tensor axis.
#pragma once

#include "mixers/recurrent.hpp"
#include "nn/head_norm.hpp"
#include "nn/linear.hpp"

namespace longspan {

class RetNet : public RecurrentMixer {
 public:
  RetNet(ParameterStore& store, const MixerSettings& settings);
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override;

  ModelConfig model_;
  std::int64_t heads_, first_head_, key_width_, value_width_;
  ColumnLinear query_, key_, value_, gate_;
  HeadNorm norm_;
  RowLinear output_;
};

}  // namespace longspan
