// What choose.hpp wants to know of the machine, measured with a layer's own kernels and messages of its size: well
// below a second on ranks that have a core each.
#pragma once

#include "mixers/sequence/choose.hpp"

namespace longspan {

// Rank 0's view, the same on every rank of `axes.all`. Collective over it.
MachineRates measure_rates(const SpreadLayer& layer, const SequenceAxes& axes);

}  // namespace longspan
