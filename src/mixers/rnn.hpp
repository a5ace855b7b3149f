// Recurrent networks with a matrix between hidden states, heads by heads (FlashRNN, Poeppel et al. 2024): elman, gru,
// lstm and slstm (Beck et al. 2024, "xLSTM"), whose steps ops/rnn/rnn.hpp defines.
//   y = norm(h) Wo, h_t from h_{t-1} and x_t Wx: Wx [inputs D, D] for all steps at once, R [recurrent K, K] of each
//   head step by step, a bias for each gate; a norm for each head. K = D / H.
// Steps follow one another. Over the sequence axis ranks either exchange rows for heads, two all-to-alls a layer and
// direction, and each runs whole sequences of its heads; or states go from rank to rank, group after group of the
// sequences (layout/rnn_way.hpp, which also chooses). Heads over the tensor axis.
#pragma once

#include "layout/rnn_way.hpp"
#include "mixers/mixer.hpp"
#include "nn/head_norm.hpp"
#include "nn/linear.hpp"
#include "ops/rnn/rnn.hpp"

namespace longspan {

// What the way across the sequence axis depends on, of `heads` on a rank of the tensor axis.
RnnLayer rnn_layer(ops::RnnCell cell, std::int64_t batch, std::int64_t heads, std::int64_t head_width, Dtype dtype,
                   bool contiguous);

class Rnn : public Mixer {
 public:
  Rnn(ParameterStore& store, const MixerSettings& settings, ops::RnnCell cell);

  Variable forward(const Context& context, const Variable& x) const override;
  // By this way over the sequence axis; `exchange` needs a head for each rank.
  Variable forward(const Context& context, const Variable& x, const RnnCrossing& crossing) const;
  std::unique_ptr<MixerCache> make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const override;
  Variable extend(const Context& context, const Variable& x, MixerCache& cache) const override;
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  Variable exchanged(const Context& context, const Variable& x) const;
  Variable relayed(const Context& context, const Variable& x, std::int64_t groups) const;
  Variable finish(const Context& context, const Variable& heads) const;  // [B, H, T, K] -> [B, T, D]

  ops::RnnCell cell_;
  ops::RnnCellSizes sizes_;
  std::int64_t width_, heads_, head_width_;  // D; H of this rank; K
  ColumnLinear input_;
  Parameter *weight_, *bias_;
  HeadNorm norm_;
  RowLinear output_;
};

}  // namespace longspan
