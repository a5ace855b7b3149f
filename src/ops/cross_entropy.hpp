// Pieces of softmax cross-entropy over a vocabulary of which a rank holds columns [first, first + C). Works on a block
// of rows of logits, so that the full logits never exist. All statistics are in the accumulation dtype.
//   loss[n] = lse - z[n, target[n]],  lse = log sum_v exp(z[n, v]); rows with target < 0 are ignored.
// With smoothed targets and a penalty on lse (LossRule), s, w and V columns in all:
//   loss[n] = lse - e[n] + w lse^2,  e[n] = (1 - s) z[n, target[n]] + s/V sum_v z[n, v]
// Over a sharded vocabulary: row maxima are combined (max), then sums, target logits and e (sum).
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

struct LossRule {
  double smoothing = 0;         // s: share of a target that goes to all words alike (Szegedy et al. 2016)
  double z_loss = 0;            // w: keeps lse near 0 (Chowdhery et al. 2022)
  std::int64_t vocabulary = 1;  // V
};

// maxima[n] = max over local columns of logits [N, C] (-infinity where C = 0).
void row_max(const Tensor& logits, const Tensor& maxima);
// sums[n] = sum over local columns of exp(logits - maxima[n]); target_logit[n] = the target's logit where this rank
// holds it, else 0.
void softmax_sums(const Tensor& logits, const Tensor& maxima, const Tensor& target, std::int64_t first,
                  const Tensor& sums, const Tensor& target_logit);
// expected[n] = this rank's part of e[n], from its part of the target logit.
void expected_logits(const Tensor& logits, const Tensor& target_logit, const LossRule& rule, const Tensor& expected);
// logits[n, c] <- factor ((1 + 2 w lse[n]) exp(logits[n, c] - lse[n]) - (1 - s) [c + first == target[n]] - s/V), 0 on
// ignored rows: the gradient of factor * sum of losses, in place.
void softmax_gradient(const Tensor& logits, const Tensor& lse, const Tensor& target, std::int64_t first, double factor,
                      const LossRule& rule = {});
// lse = maxima + log(sums); losses[n] = lse - expected + w lse^2, 0 on ignored rows; without smoothing `expected` is
// the target logit. `lse` may be `maxima`.
void finish_cross_entropy(const Tensor& maxima, const Tensor& sums, const Tensor& expected, const Tensor& target,
                          const Tensor& lse, const Tensor& losses, const LossRule& rule = {});

// hits[n] (int32) = 1 where target >= 0 and the target has the largest logit of all: a right answer. Before `maxima`
// becomes lse.
void find_hits(const Tensor& maxima, const Tensor& target_logit, const Tensor& target, const Tensor& hits);

}  // namespace longspan::ops
