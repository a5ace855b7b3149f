// TokenRing (Wang et al. 2024): keys and values stay, queries travel down the ring, one hop a step, and what a rank
// finds for a foreign query, (output, log-sum-exp), goes straight back to the query's owner while the next block is
// computed. Published for the forward; the backward is the same with (q, dout, lse, delta) travelling and dq coming
// back: dk and dv need no message at all.
//
// Only rows that can still see a key of the ranks ahead travel, and only rows that see a key of the holder come back:
// with a causal mask and a zigzag shard a block shrinks to its second half once it passed rank 0. Results are sent in
// the accumulation dtype and merged in the order of the steps, so that they do not depend on timing.
//
// Per rank s and S ranks, f(o, h) the first row of rank o that may see a key of rank h, F(o, t) its smallest value from
// step t on, rows r(o, t) = n_o - F(o, t) and b(o, h) = n_o - f(o, h), q = B H K elements and B H log-sum-exps a token:
//   forward   sum over t = 1 .. S-1 of   r(s+t-1, t) q   and   b(s+t, s) (q + B H) of the accumulation dtype
//   backward  the same with 2 q and 2 B H travelling, and b q coming back
#pragma once

#include "mixers/sequence/blockwise.hpp"

namespace longspan {

class TokenRing : public BlockwiseMethod {
 public:
  Traffic traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const override;
  // Each rank computes what is seen of its own keys.
  std::vector<double> work(const AttentionSizes& sizes, const MaskRule& mask,
                           const SequenceShard& shard) const override;

 private:
  void forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                      const Tensor& lse) const override;
  Tensor backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& lse,
                         const Tensor& dout, const Tensor& delta, const Tensor& dq) const override;
};

}  // namespace longspan
