// What a run of a selective scan does to the state that enters it, h' = exp(A s) h + e: packed [B, 1 + N, D], the sum s
// of its steps, then e. Maps compose:
//   (s1, e1) then (s2, e2)  =  (s1 + s2, exp(A s2) e1 + e2)
// A run that forgets has so large a sum that nothing enters. Backward, the gradient of a state runs through the same
// decays, with another e.
#pragma once

#include "ops/recurrence/selective_scan.hpp"

namespace longspan::ops {

Tensor scan_map(const SelectiveScanInput& in);
// Backward; dy [B, T, D] is the gradient of y.
Tensor scan_adjoint_map(const SelectiveScanInput& in, const Tensor& map, const Tensor& dy);

// state [B, N, D] <- map(state); later <- earlier, then later.
void apply_scan_map(const Tensor& rates, const Tensor& map, const Tensor& state);
void compose_scan_maps(const Tensor& rates, const Tensor& earlier, const Tensor& later);

}  // namespace longspan::ops
