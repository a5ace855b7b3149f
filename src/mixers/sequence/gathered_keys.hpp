// All-gather of keys and values (the context parallelism of Llama 3, Grattafiori et al. 2024), some key heads at a
// time: while one chunk of heads is attended to, the next is gathered. In the backward keys and values are gathered
// again, and each chunk's gradients are summed home by a reduce-scatter while the next is computed. A rank holds all T
// rows of two chunks, never of all heads (unless there is one key head only).
//
// Per rank, elements of a chunk of c key heads: 2 B c T K. Each chunk: all-gather forward; all-gather and, in the
// accumulation dtype, reduce-scatter backward: (S-1)/S of the chunk each.
#pragma once

#include "mixers/sequence/blockwise.hpp"

namespace longspan {

class GatheredKeys : public BlockwiseMethod {
 public:
  Traffic traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const override;

 private:
  void forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                      const Tensor& lse) const override;
  Tensor backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& lse,
                         const Tensor& dout, const Tensor& delta, const Tensor& dq) const override;
};

}  // namespace longspan
