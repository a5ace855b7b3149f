// Mamba-2 (Dao and Gu 2024, state space duality): per head, with step and decay from the token (nn/step_decay.hpp),
//   S_t = a_t S_{t-1} + B_t^T (step_t x_t),  y_t = C_t S_t + d x_t
// x = SiLU(conv(u Wx)), B, C = SiLU(conv(u Wb)), SiLU(conv(u Wc)); then norm(y SiLU(u Wz)) Wo with a norm for each
// head. Channels 2 D in H heads of P = 2 D / H, over the tensor axis; B and C [N] are shared by all heads, on every
// rank.
#pragma once

#include "mixers/recurrent.hpp"
#include "nn/head_norm.hpp"
#include "nn/linear.hpp"
#include "nn/step_decay.hpp"

namespace longspan {

class Mamba2 : public RecurrentMixer {
 public:
  Mamba2(ParameterStore& store, const MixerSettings& settings);
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override;

  ModelConfig model_;
  std::int64_t heads_, head_width_;
  ColumnLinear gate_, input_;
  ReplicatedLinear write_, read_;
  ShortConvolution input_convolution_, write_convolution_, read_convolution_;
  StepDecay step_;
  Parameter* skip_;
  HeadNorm norm_;
  RowLinear output_;
};

}  // namespace longspan
