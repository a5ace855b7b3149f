// Mamba (Gu and Dao 2023): every channel has a state of N numbers, with step, input and output maps from the token
// (ops/recurrence/selective_scan.hpp). Of 2 D channels over the tensor axis
//   x = SiLU(conv(u Wx)),  [r | B | C] = x Wp,  step = softplus(r Ws + b)        r [D / 16 rounded up], B, C [N]
//   out = (scan(x, step, B, C) SiLU(u Wz)) Wo
// B, C and r are sums over all channels: small ones, on every rank. Rates start at -1 .. -N, steps between 0.001 and
// 0.1 (there).
#pragma once

#include "mixers/recurrent.hpp"
#include "nn/linear.hpp"
#include "nn/short_convolution.hpp"

namespace longspan {

class Mamba : public RecurrentMixer {
 public:
  Mamba(ParameterStore& store, const MixerSettings& settings);
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override;

  ModelConfig model_;
  std::int64_t channels_, step_rank_;  // 2 D, R
  ColumnLinear gate_, input_;
  ShortConvolution convolution_;
  RowLinear selection_;  // Wp
  ColumnLinear step_;
  Parameter *step_bias_, *log_rate_, *skip_;
  RowLinear output_;
};

}  // namespace longspan
