// What methods share that compute blocks with an online softmax: they keep only the output and its log-sum-exp.
#pragma once

#include "mixers/sequence/sequence_method.hpp"

namespace longspan {

class BlockwiseMethod : public TwoPassMethod {
 protected:
  // Fills o [B, H, T_local, K] and lse [B, H, T_local] (accumulation dtype).
  virtual void forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                              const Tensor& lse) const = 0;
  // Adds to dq; returns dkv. delta = rows of dout . o.
  virtual Tensor backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& lse,
                                 const Tensor& dout, const Tensor& delta, const Tensor& dq) const = 0;

 private:
  AttentionOutput forward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv) const final;
  AttentionGradients backward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                              const AttentionOutput& output, const Tensor& dout) const final;
};

}  // namespace longspan
