// Pieces of softmax cross-entropy over a vocabulary of which a rank holds columns [first, first + C). Works on a block
// of rows of logits, so that the full logits never exist. All statistics are in the accumulation dtype.
//   loss[n] = log sum_v exp(z[n, v]) - z[n, target[n]]; rows with target < 0 are ignored.
// Over a sharded vocabulary: row maxima are combined (max), then sums and target logits (sum).
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

// maxima[n] = max over local columns of logits [N, C] (-infinity where C = 0).
void row_max(const Tensor& logits, const Tensor& maxima);
// sums[n] = sum over local columns of exp(logits - maxima[n]); target_logit[n] = the target's logit where this rank
// holds it, else 0.
void softmax_sums(const Tensor& logits, const Tensor& maxima, const Tensor& target, std::int64_t first,
                  const Tensor& sums, const Tensor& target_logit);
// logits[n, c] <- factor (exp(logits[n, c] - lse[n]) - [c + first == target[n]]), 0 on ignored rows: the gradient of
// factor * sum of losses, in place.
void softmax_gradient(const Tensor& logits, const Tensor& lse, const Tensor& target, std::int64_t first, double factor);
// lse = maxima + log(sums); returns the sum of lse - target_logit over rows with target >= 0, in double. `lse` may be
// `maxima`. Per-row losses go to `losses` where it is defined (0 on ignored rows).
double finish_cross_entropy(const Tensor& maxima, const Tensor& sums, const Tensor& target_logit, const Tensor& target,
                            const Tensor& lse, const Tensor& losses);

// Rows with target >= 0 whose target has the largest logit of all: right answers. Before `maxima` becomes lse.
std::int64_t count_largest(const Tensor& maxima, const Tensor& target_logit, const Tensor& target);

}  // namespace longspan::ops
