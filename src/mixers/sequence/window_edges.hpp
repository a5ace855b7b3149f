// Sliding windows need no ring: a rank fetches the rows of keys and values that its queries reach beyond its own shard.
// On contiguous shards that is the edge of the previous rank, window - 1 rows (of further ranks too where shards are
// shorter than the window); on zigzag shards each of the two chunks has its edge.
//
// Per rank s, with e(s, r) the rows of rank s that rank r needs (layout/halo.hpp), c = 2 B Hk K elements a row:
//   forward   sum over r of e(s, r) c;   backward  sum over r of e(r, s) c in the accumulation dtype, back to the owner
// The edges that came are kept for the backward.
#pragma once

#include "mixers/sequence/sequence_method.hpp"

namespace longspan {

class WindowEdges : public TwoPassMethod {
 public:
  Traffic traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const override;

 private:
  AttentionOutput forward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv) const override;
  AttentionGradients backward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                              const AttentionOutput& output, const Tensor& dout) const override;
};

}  // namespace longspan
