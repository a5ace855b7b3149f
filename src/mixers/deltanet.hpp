// DeltaNet (Schlag et al. 2021; in parallel over the sequence: Yang et al. 2024): the state writes what it does not
// yet hold,
//   S_t = (I - beta_t k_t^T k_t) S_{t-1} + beta_t k_t^T v_t,  o_t = q_t S_t / sqrt(K)
// q, k = l2 norm of SiLU(conv(x W)), v = SiLU(conv(x W)), beta = sigmoid(x W) (times 2 with
// model.negative_eigenvalues); then y = norm(o) Wo with a norm for each head. K = V = D / H. Heads over the tensor
// axis.
#pragma once

#include "mixers/recurrent.hpp"
#include "nn/head_norm.hpp"
#include "nn/linear.hpp"

namespace longspan {

// Queries, keys, values and writing strengths of the delta rule.
class DeltaProjections {
 public:
  DeltaProjections(ParameterStore& store, const MixerSettings& settings);
  // All but the decay.
  RecurrenceVariables forward(RecurrentRun& run, const Variable& x) const;
  RecurrentSizes sizes() const;
  ops::RecurrenceSettings settings() const;
  double flops() const;                // a token, all ranks
  double activation_elements() const;  // a token, one rank of a tensor axis of one

 private:
  ModelConfig model_;
  std::int64_t heads_, width_;
  ColumnLinear query_, key_, value_, strength_;
  ShortConvolution query_convolution_, key_convolution_, value_convolution_;
};

class DeltaNet : public RecurrentMixer {
 public:
  DeltaNet(ParameterStore& store, const MixerSettings& settings);
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override { return projections_.sizes(); }

  ModelConfig model_;
  DeltaProjections projections_;
  HeadNorm norm_;
  RowLinear output_;
};

}  // namespace longspan
