// Gated DeltaNet (Yang, Kautz and Hatamizadeh 2024): the delta rule on a state that decays,
//   S_t = a_t (I - beta_t k_t^T k_t) S_{t-1} + beta_t k_t^T v_t,  o_t = q_t S_t / sqrt(K)
// with q, k, v, beta of DeltaNet, a decay a_t per head from the token (nn/step_decay.hpp) and an output gate:
// y = (SiLU(x Wg) norm(o)) Wo. K = V = D / H. Heads over the tensor axis.
#pragma once

#include "mixers/deltanet.hpp"
#include "nn/step_decay.hpp"

namespace longspan {

class GatedDeltaNet : public RecurrentMixer {
 public:
  GatedDeltaNet(ParameterStore& store, const MixerSettings& settings);
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override { return projections_.sizes(); }

  ModelConfig model_;
  DeltaProjections projections_;
  StepDecay step_;
  ColumnLinear gate_;
  HeadNorm norm_;
  RowLinear output_;
};

}  // namespace longspan
