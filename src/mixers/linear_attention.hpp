// Linear attention (Katharopoulos et al. 2020, "Transformers are RNNs"): softmax's weights are replaced by
// phi(q) phi(k), phi(x) = elu(x) + 1, so that T positions cost O(T):
//   o_t = phi(q_t) S_t / (phi(q_t) z_t),  S_t = sum_{s <= t} phi(k_s)^T v_s,  z_t = sum_{s <= t} phi(k_s)
// z is one more column of S. Heads K = V = D / H over the tensor axis.
#pragma once

#include "mixers/recurrent.hpp"
#include "nn/linear.hpp"

namespace longspan {

class LinearAttention : public RecurrentMixer {
 public:
  LinearAttention(ParameterStore& store, const MixerSettings& settings);
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override;

  ModelConfig model_;
  std::int64_t heads_, width_;
  ColumnLinear query_, key_, value_;
  RowLinear output_;
};

}  // namespace longspan
