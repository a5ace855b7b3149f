// Attention on CPUs, one visit (ops/attention.hpp): a thread makes a tile of scores, its softmax and its products with
// no word to the others, in its own cache and at the rate of its multipliers (panels.hpp). Keys and values are packed
// once a visit.
#pragma once

#include <vector>

#include "ops/attention.hpp"

namespace longspan::ops::detail {

// Whether this build has panels for a type; the others go by tiles of all threads together (attention/tiles.hpp).
bool attends_in_panels(Dtype dtype);

// As attention_visit and attention_visit_backward.
void visit_in_panels(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                     const std::vector<PositionRun>& key_runs, const AttentionState& state);
void visit_backward_in_panels(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                              const std::vector<PositionRun>& key_runs, const Tensor& lse, const Tensor& dout,
                              const Tensor& delta, const Tensor& dq, const Tensor& dk, const Tensor& dv);

}  // namespace longspan::ops::detail
