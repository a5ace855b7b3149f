// What choose.hpp wants to know of the machine, measured with a layer's own kernels and messages of its size: well
// below a second on ranks that have a core each.
#pragma once

#include "mixers/sequence/choose.hpp"

namespace longspan {

// Rank 0's view, the same on every rank of `axes.all`. Collective over it.
MachineRates measure_rates(const SpreadLayer& layer, const SequenceAxes& axes);

// What every rank of a group reaches with messages of so many bytes, all ranks at once; this rank's view. Under a group
// name of its own, so that a run's counters show what the run sends. Collective over the group.
LinkRates measure_links(const Comm& group, std::int64_t bytes);

}  // namespace longspan
