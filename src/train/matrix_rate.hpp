// The floor's denominator: what all ranks of a session reach together on plain matrix products.
#pragma once

#include "train/session.hpp"

namespace longspan {

// FLOP/s of all cores, each on a product of the model's width at the same time. Where ranks share cores, one rank a
// core measures and the others wait. Collective.
double total_matrix_rate(const Session& session);

}  // namespace longspan
