// Softmax averages over growing prefixes, of scores that do not depend on who asks (Feng et al. 2024, attention as a
// recurrent network):
//   o_t = sum_{i<=t} e^{s_i} v_i / sum_{i<=t} e^{s_i},   L_t = log sum_{i<=t} e^{s_i}     inside a document
// The state of a head is (m, u, w): m the largest score so far, u = sum e^{s_i - m}, w = sum e^{s_i - m} v_i. Two such
// add up under the larger m, so that no exponential is of a positive number. Backward the same sum runs the other way
// over (-L_t, <do_t, o_t>, do_t): with (mu, g, G) from the last token to token i
//   dv_i = e^{s_i + mu} G,   ds_i = e^{s_i + mu} (<v_i, G> - g)
// States are packed [B, H, 3 + V], accumulation dtype: m, u, keep, w. keep = 0 where a document starts inside: what
// comes before does not count.
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

struct PrefixSoftmaxInput {
  Tensor scores;     // [B, T, H], accumulation dtype
  Tensor v;          // [B, T, H V]
  Tensor documents;  // int32 [B, T] (decay.hpp)
};

constexpr std::int64_t prefix_state_width(std::int64_t value) { return 3 + value; }
void clear_prefix_state(const Tensor& state);
// out <- first, then second; out may be either.
void combine_prefix_states(const Tensor& first, const Tensor& second, const Tensor& out);

// `state` enters; overwritten with what leaves. o [B, T, H V] and log_sums L [B, T, H] (accumulation dtype) may both be
// undefined.
void prefix_softmax_forward(const PrefixSoftmaxInput& in, const Tensor& state, const Tensor& o, const Tensor& log_sums);

// What forward gave, and the gradient of o.
struct PrefixSoftmaxOutput {
  Tensor o, log_sums, dout;
};
// `state` (mu, g, keep, G) comes from the tokens behind; overwritten with what goes to those before. The gradients of
// scores and v may both be undefined.
void prefix_softmax_backward(const PrefixSoftmaxInput& in, const PrefixSoftmaxOutput& out, const Tensor& state,
                             const Tensor& dscores, const Tensor& dv);

// s[b, t, h] = scale <q_h, k_bth> for one query [H K] and k [B, T, H K]; s in the accumulation dtype.
void query_scores_forward(const Tensor& q, const Tensor& k, double scale, const Tensor& s);
// dk is written, dq (accumulation dtype) added to.
void query_scores_backward(const Tensor& q, const Tensor& k, double scale, const Tensor& ds, const Tensor& dq,
                           const Tensor& dk);

}  // namespace longspan::ops
