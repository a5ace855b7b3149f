// Gated linear attention (Yang et al. 2023): a decay for every key channel, from the token,
//   S_t = diag(alpha_t) S_{t-1} + k_t^T v_t,  o_t = q_t S_t / sqrt(K),  log alpha_t = log(sigmoid(x W1 W2 + b)) / 16
// then y = (SiLU(x Wr) norm(o)) Wo with a norm for each head. K = D / 2H, V = D / H; W1 is D x 16. Heads over the
// tensor axis.
#pragma once

#include "mixers/recurrent.hpp"
#include "nn/head_norm.hpp"
#include "nn/linear.hpp"

namespace longspan {

class GatedLinearAttention : public RecurrentMixer {
 public:
  GatedLinearAttention(ParameterStore& store, const MixerSettings& settings);
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  static constexpr std::int64_t kGateRank = 16;
  static constexpr double kTemperature = 16;

  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override;

  ModelConfig model_;
  std::int64_t heads_, key_width_, value_width_;
  ColumnLinear query_, key_, value_, gate_;
  ReplicatedLinear decay_down_;
  ColumnLinear decay_up_;
  HeadNorm norm_;
  RowLinear output_;
};

}  // namespace longspan
