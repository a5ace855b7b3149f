// Ring Self-Attention (Li et al. 2021, "Sequence Parallelism: Long Sequence Training from System Perspective"). Keys go
// round the ring until every rank holds complete rows of scores for its queries, then values go round: softmax is
// plain, within a row. The weights P are kept for the backward, so that a rank holds B H n T elements a layer; scores
// are made in the accumulation dtype, P is in the model's, as it must be for the products with V and dO.
//   rsa                 dK and dV are summed by an all-reduce over all T rows, as published
//   rsa_reduce_scatter  they are summed as they travel the ring home: no other tensor of T rows, less traffic
// Neither the published code's division of gradients by the ranks nor its scale by the model's width is taken over.
//
// Backward: values go round again for dP = dO V^T, dS = P (dP - rowsum(P dP)), keys go round again for dQ = dS K;
// dV = P^T dO and dK = dS^T Q.
//
// Per rank s with n_r the rows of rank r, S ranks, u = B Hk K elements a token of K or of V:
//   forward                        2 u (T - n_{s+1})
//   backward   K, V again          2 u (T - n_{s+1})
//     rsa                          and two all-reduces of u T in the accumulation dtype: 2 (S-1)/S of that each
//     rsa_reduce_scatter           and 2 u (T - n_s) in the accumulation dtype
// With equal blocks of C u elements 2 (S-1), and 6 (S-1) or 4 (S-1) of them.
#pragma once

#include "mixers/sequence/sequence_method.hpp"

namespace longspan {

enum class GradientSummation { all_reduce, on_the_way };

class RingSelfAttention : public TwoPassMethod {
 public:
  explicit RingSelfAttention(GradientSummation summation) : summation_(summation) {}

  Traffic traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const override;
  std::int64_t kept_scores(std::int64_t length) const override { return length; }

 private:
  AttentionOutput forward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv) const override;
  AttentionGradients backward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                              const AttentionOutput& output, const Tensor& dout) const override;

  GradientSummation summation_;
};

}  // namespace longspan
