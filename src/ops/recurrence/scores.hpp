// Scores inside a chunk, as matrix products: P_ts = factor sum_k q_tk k_sk e^{b_tk - b_sk} for s <= t in the same
// document, otherwise 0. [N, R, C, C].
//   G = 1  the exponential is one number a pair: q k^T times the decays
//   G = K  it cannot be split over a whole chunk without overflow. Sub-chunks of kSubChunk rows: rows t of one against
//          all earlier ones is a product of q_t e^{b_t - b_m} and k_s e^{b_m - b_s}, m its first row, both exponents <=
//          0; the sub-chunk itself is summed directly (Yang et al. 2023, section 4.3). From one sub-chunk to the next
//          the earlier keys decay by e^{b_m' - b_m}, and backwards so do their gradients.
#pragma once

#include "ops/recurrence/decay.hpp"

namespace longspan::ops {

inline constexpr std::int64_t kSubChunk = 16;

void decayed_scores(const Decays& decays, double factor, const Tensor& q, const Tensor& k, const Tensor& p);
// dq += , dk += ; dp is overwritten.
void decayed_scores_backward(const Decays& decays, double factor, const Tensor& q, const Tensor& k, const Tensor& dp,
                             const Tensor& dq, const Tensor& dk);

}  // namespace longspan::ops
