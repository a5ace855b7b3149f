// One axis of the mesh may be left open in a configuration, as parallel.X = 0: it takes the ranks that the others
// leave, so that one job script fits any allocation.
#pragma once

#include <cstdint>

#include "config/run_config.hpp"

namespace longspan {

// Fills the axis that is 0, if any, for `ranks` ranks. UserError where two are 0 or the others do not divide `ranks`.
void fill_free_axis(ParallelConfig& parallel, std::int64_t ranks);

}  // namespace longspan
