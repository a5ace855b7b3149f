// What turns a row of scores into weights, and a row of the weights' gradients into those of the scores.
#pragma once

#include "ops/attention/score_loops.hpp"
#include "ops/attention/softmax_math.hpp"

namespace longspan::ops::detail {

// Where the running statistics of the query rows live.
template <class A>
struct RunningRows {
  A *m, *l, *acc;
  std::int64_t width;
};

// m_new = max(m, max_j s_j) over the visible columns; -inf only if all scores are.
template <class A, bool kBias, bool kAll, class Lanes>
KOKKOS_INLINE_FUNCTION A raise_maximum(const Lanes& lanes, const ScoreRow<A>& row, const A* scores, A m_old) {
  constexpr A lowest = -Kokkos::Experimental::infinity_v<A>;
  const A highest = max_row<A>(lanes, row.from, row.to, [&](std::int32_t j) {
    const A score = row.template score<kBias>(scores[j], j);
    return row.template sees<kAll>(j) ? score : lowest;
  });
  return highest <= m_old ? m_old : highest;
}

// p_j = exp(s_j - m_new) over the visible columns of one row (kAll: it sees every column in [from, to)); p may be the
// storage of the scores. l and acc shrink by exp(m - m_new).
template <class T, class A, bool kBias, bool kDropout, bool kAll, class Lanes>
KOKKOS_INLINE_FUNCTION void softmax_row(const Lanes& lanes, const ScoreRow<A>& row, const A* scores, T* p,
                                        const RunningRows<A>& running) {
  const A m_old = running.m[row.state], l_old = running.l[row.state];
  const A m_new = raise_maximum<A, kBias, kAll>(lanes, row, scores, m_old);
  constexpr A lowest = -Kokkos::Experimental::infinity_v<A>;
  const A shift = m_new == lowest ? A(0) : m_new;
  const A shift2 = shift * math::kLog2E<A>;
  const A sum = sum_row<A>(lanes, row.from, row.to, [&](std::int32_t j) {
    const A power = row.template power<kBias>(scores[j], j, shift2);
    const A value = math::exp2_to_one(row.template sees<kAll>(j) ? power : lowest);
    store(p + j, value * row.template kept<kDropout>(j));
    return value;
  });
  const A factor = math::exp(m_old - shift);
  if (m_new != m_old && l_old != A(0)) {
    A* const acc = running.acc + row.state * running.width;
    for_row(lanes, 0, static_cast<std::int32_t>(running.width), [&](std::int32_t c) { acc[c] *= factor; });
  }
  once_a_row(lanes, [&] {
    running.m[row.state] = m_new;
    running.l[row.state] = l_old * factor + sum;
  });
}

// p_j = exp(s_j - lse) and ds_j = scale p_j (dp_j z_j - delta), z_j what dropout multiplies by; p_j z_j is stored.
template <class T, class A, bool kBias, bool kDropout, bool kAll, class Lanes>
KOKKOS_INLINE_FUNCTION void gradient_row(const Lanes& lanes, const ScoreRow<A>& row, const A* scores, const A* dp, T* p,
                                         T* ds, A lse, A delta) {
  constexpr A lowest = -Kokkos::Experimental::infinity_v<A>;
  const A lse2 = lse * math::kLog2E<A>;
  for_row(lanes, row.from, row.to, [&](std::int32_t j) {
    const A power = row.template power<kBias>(scores[j], j, lse2);
    const A probability = math::exp2_to_one(row.template sees<kAll>(j) ? power : lowest);
    const A kept = row.template kept<kDropout>(j);
    const A gradient = row.scale * probability * (dp[j] * kept - delta);
    store(p + j, probability * kept);
    store(ds + j, gradient);
  });
}

}  // namespace longspan::ops::detail
