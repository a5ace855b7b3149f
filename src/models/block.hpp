// One pre-norm block: x + mixer(norm(x)), then x + feed_forward(norm(x)).
#pragma once

#include <memory>

#include "mixers/mixer.hpp"
#include "nn/feed_forward.hpp"
#include "nn/norm.hpp"

namespace longspan {

class Block {
 public:
  // `kind` names the token mixer; its settings are those of the block but for the name.
  Block(ParameterStore& store, const std::string& kind, const MixerSettings& settings);

  // x [rows, D]: this rank's of the residual stream (autograd/functions/tensor_axis.hpp).
  Variable forward(const Context& context, const Variable& x) const;
  Variable extend(const Context& context, const Variable& x, MixerCache& cache) const;
  const Mixer& mixer() const { return *mixer_; }
  int group() const { return group_; }
  int layer() const { return layer_; }

 private:
  template <class Layer>
  Variable add_branch(const Context& context, const Variable& x, const Norm& norm, const Layer& layer,
                      const char* site) const;
  Variable add_feed_forward(const Context& context, const Variable& x) const;
  Variable residual(const Context& context, const Variable& x, const Variable& branch, const char* site) const;

  int layer_, group_;
  double dropout_;
  Norm mixer_norm_;
  std::unique_ptr<Mixer> mixer_;
  Norm feed_forward_norm_;
  FeedForward feed_forward_;
};

}  // namespace longspan
