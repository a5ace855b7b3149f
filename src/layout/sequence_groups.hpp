// How many neighbours on the sequence axis form a group, where the configuration leaves it open.
#pragma once

#include <cstdint>

namespace longspan {

// The largest divisor of `ranks` that is at most `limit`; all ranks only where they have no other divisor.
inline int sequence_group(int ranks, std::int64_t limit) {
  for (int d = ranks - 1; d > 1; --d) {
    if (ranks % d == 0 && d <= limit) return d;
  }
  return ranks <= limit ? ranks : 1;
}

}  // namespace longspan
