// Softmax attention with grouped-query heads (Vaswani et al. 2017, Ainslie et al. 2023): rotary, ALiBi or no position
// term, causal or bidirectional, sliding window, documents. Heads are split over the tensor axis; how it crosses the
// sequence axis is a method of mixers/sequence/.
#pragma once

#include "mixers/head_projections.hpp"
#include "mixers/sequence/sequence_method.hpp"
#include "ops/attention.hpp"

namespace longspan {

class Attention : public Mixer {
 public:
  Attention(ParameterStore& store, const MixerSettings& settings);

  Variable forward(const Context& context, const Variable& x) const override;
  std::unique_ptr<MixerCache> make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const override;
  Variable extend(const Context& context, const Variable& x, MixerCache& cache) const override;
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  ops::AttentionRules position_rules(Dtype dtype) const;

  ModelConfig model_;
  std::unique_ptr<SequenceMethod> method_;
  int layer_;
  HeadProjections projections_;
};

}  // namespace longspan
