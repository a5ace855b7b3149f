// The floor's denominator: what all ranks of a session reach together on plain matrix products.
#pragma once

#include "train/session.hpp"

namespace longspan {

// FLOP/s, summed over the ranks, each on a product of the model's width at the same time (ranks may share cores).
// Collective.
double total_matrix_rate(const Session& session);

}  // namespace longspan
