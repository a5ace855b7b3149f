// Pieces of softmax cross-entropy over a vocabulary of which a rank holds a part, a block of columns at a time, so that
// the full logits never exist. All statistics are in the accumulation dtype.
//   loss[n] = lse - z[n, target[n]],  lse = log sum_v exp(z[n, v]); rows with target < 0 are ignored.
// With smoothed targets and a penalty on lse (LossRule), s, w and V columns in all:
//   loss[n] = lse - e[n] + w lse^2,  e[n] = (1 - s) z[n, target[n]] + s/V sum_v z[n, v]
// The sum of exponentials follows the running maximum (Milakov and Gimelshein 2018): for a block with maximum t,
//   m' = max(m, t),  l' = l e^(m - m') + sum_c e^(z[n, c] - m')
// Over a sharded vocabulary: maxima are combined (max), sums brought to the common maximum, then added up like target
// logits and e.
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

struct LossRule {
  double smoothing = 0;         // s: share of a target that goes to all words alike (Szegedy et al. 2016)
  double z_loss = 0;            // w: keeps lse near 0 (Chowdhery et al. 2022)
  std::int64_t vocabulary = 1;  // V
};

// What is known of the columns that were seen so far, [N] each.
struct SoftmaxRows {
  Tensor maxima, sums;  // m, l; -infinity and 0 before the first column
  Tensor target_logit;  // 0 where the target was not seen
  Tensor logit_sums;    // sum of the logits themselves, for smoothed targets; may be undefined
};
void begin_softmax(const SoftmaxRows& rows);
// Takes in logits [N, C] of the columns [first, first + C).
void take_columns(const Tensor& logits, const Tensor& target, std::int64_t first, const SoftmaxRows& rows);
// sums <- sums e^(from - to): sums over a maximum `from` as sums over `to`, which is no smaller.
void rebase_sums(const Tensor& from, const Tensor& to, const Tensor& sums);
// expected[n] = this rank's part of e[n]; `expected` may be logit_sums.
void expected_logits(const Tensor& target_logit, const Tensor& logit_sums, const LossRule& rule,
                     const Tensor& expected);
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
