// Hydra (Hwang et al. 2024): a bidirectional mixer whose matrix is quasi-separable. Per head two scans with a scalar
// decay a_t and a step from the token, one from the left and one from the right, and a free diagonal,
//   y_t = C'_{t-1} S'_{t-1} + C"_{t+1} S"_{t+1} + (x_t w + d) x_t
//   S'_t = a'_t S'_{t-1} + B'_t^T (step'_t x_t),   S"_t = a"_t S"_{t+1} + B"_t^T (step"_t x_t)
// [x | B' C' B" C"] = SiLU(conv7(u ..)), centred; rates exp(log_rate) and the steps' bias are shared by the directions;
// then norm(y) SiLU(u Wz) Wo with a norm for each head. Channels 2 D in H heads over the tensor axis; B and C [N] are
// shared by all heads, on every rank. Over the sequence axis the two scans run towards each other.
#pragma once

#include "mixers/mixer.hpp"
#include "nn/head_norm.hpp"
#include "nn/linear.hpp"
#include "nn/short_convolution.hpp"

namespace longspan {

class Hydra : public Mixer {
 public:
  Hydra(ParameterStore& store, const MixerSettings& settings);
  Variable forward(const Context& context, const Variable& x) const override;
  // Only causal models generate: these two are never reached.
  std::unique_ptr<MixerCache> make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const override;
  Variable extend(const Context& context, const Variable& x, MixerCache& cache) const override;
  MixerCost cost(std::int64_t sequence_length) const override;

 private:
  struct Selection {
    Variable write, read;
  };
  Variable mix(const Context& context, const Variable& x) const;
  // What reaches each token from the left (`reversed`: from the right).
  Variable scan(const Context& context, const Variable& u, const Variable& x, const Selection& by,
                const Tensor& documents, bool reversed) const;
  Variable diagonal(const Context& context, const Variable& x) const;

  static constexpr std::int64_t kWidth = 7;
  ModelConfig model_;
  std::int64_t tensor_, heads_, head_width_;
  ColumnLinear gate_, input_;
  ReplicatedLinear selection_;
  ShortConvolution input_convolution_, selection_convolution_;
  ColumnLinear left_step_, right_step_;
  RowLinear diagonal_;
  Parameter *step_bias_, *log_rate_, *skip_;
  HeadNorm norm_;
  RowLinear output_;
};

}  // namespace longspan
