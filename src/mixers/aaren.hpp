// Aaren (Feng et al. 2024, attention as a recurrent network): per head the query is not the token's but learned,
//   o_t = sum_{i<=t} e^{<q, k_i> / sqrt(K)} v_i / sum_{i<=t} e^{<q, k_i> / sqrt(K)}
// with q = token Wq for a learned token [D], k = x Wk, v = x Wv; then o Wo. A state of 2 + V numbers a head
// (ops/recurrence/prefix_softmax.hpp). Positions are what the input says of them (model.positions = learned).
#pragma once

#include "mixers/recurrent.hpp"
#include "nn/linear.hpp"

namespace longspan {

class Aaren : public RecurrentMixer {
 public:
  Aaren(ParameterStore& store, const MixerSettings& settings);
  std::unique_ptr<MixerCache> make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const override;
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable mix(RecurrentRun& run, const Variable& x) const override;
  RecurrentSizes sizes() const override;

  ModelConfig model_;
  std::int64_t heads_;
  Parameter* token_;
  ColumnLinear query_, key_, value_;
  RowLinear output_;
};

}  // namespace longspan
