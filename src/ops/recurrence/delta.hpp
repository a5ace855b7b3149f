// The delta rule inside a chunk, in WY form (Yang et al. 2024): the writes u_t = beta_t (v_t - e^{g_t} S_{t-1}^T k_t)
// of a chunk solve (I + L) u = beta v - beta e^{b} k S with L_ts = beta_t e^{b_t - b_s} k_t k_s below the diagonal, S
// the state at its start. With A = (I + L)^-1:
//   u = A (V + M S),   V = beta v,   M = -beta e^{b} k
// so that the chunk writes u instead of v. Decays of one number a head (G = 1).
#pragma once

#include "ops/recurrence/decay.hpp"

namespace longspan::ops {

struct DeltaChunks {
  Tensor beta;          // [N, R, C, 1]
  Tensor keys, values;  // M and V
  Tensor scores;        // e^{b_t - b_s} k_t k_s below the diagonal, [N, R, C, C]
  Tensor inverse;       // A
};
DeltaChunks make_delta_chunks(const Decays& decays, const Tensor& beta, const Tensor& k, const Tensor& v);

// From u, the states at the chunks' starts and y = A^T du, which is the gradient of V + M S: dk +=, dsums (of the
// decays)
// +=; dv and dbeta are written.
void delta_backward(const Decays& decays, const DeltaChunks& delta, const Tensor& k, const Tensor& v, const Tensor& u,
                    const Tensor& starts, const Tensor& y, const Tensor& dk, const Tensor& dv, const Tensor& dbeta,
                    const Tensor& dsums);

}  // namespace longspan::ops
