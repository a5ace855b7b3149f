// Blockwise ring attention (Liu et al. 2023): keys and values visit every rank of the sequence axis while queries stay.
// Blocks travel by one or two routes (layout/ring_route.hpp):
//   ring                all rows up the ring
//   bidirectional_ring  the first half of a block's rows up, the rest down: on links that carry both ways at once half
//                       of the time, in forward and in backward, for any number of heads
//   double_ring         all rows by the nested route: the hop between nodes hides behind a round inside the node
// The next blocks are on their way while the present ones are computed.
//
// Per rank s, with n_r the rows of rank r, S ranks, elements of a token of K and V c = 2 B Hk K:
//   forward   a block leaves a rank once for each step that gets it from there: S-1 times a route in all
//   backward  K, V the same again; (dK, dV), in the accumulation dtype, follow their block at each of the S steps, and
//             the last hop brings them home
// On the ring: forward c (T - n_{s+1}), backward the same and c T of gradients. A group of one sends nothing.
#pragma once

#include "layout/ring_route.hpp"
#include "mixers/sequence/blockwise.hpp"

namespace longspan {

class CirculatingKeys : public BlockwiseMethod {
 public:
  // One route: whole blocks. Two: a block's first and second half.
  explicit CirculatingKeys(std::vector<RingRoute> routes) : routes_(std::move(routes)) {}

  Traffic traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const override;

 private:
  void forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                      const Tensor& lse) const override;
  Tensor backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& lse,
                         const Tensor& dout, const Tensor& delta, const Tensor& dq) const override;

  std::vector<RingRoute> routes_;
};

}  // namespace longspan
