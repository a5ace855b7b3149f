// Which query rows travel down a ring of key holders, and which of them each holder works on.
#pragma once

#include <algorithm>

#include "layout/mask.hpp"
#include "layout/ring_route.hpp"
#include "layout/sequence_shard.hpp"

namespace longspan {

class TravellingQueries {
 public:
  TravellingQueries(const MaskRule& mask, const SequenceShard& shard)
      : mask_(mask), shard_(shard), route_(RingRoute::down(shard.parts())) {}

  const RingRoute& route() const { return route_; }

  // The first of `owner`'s rows that may see a key of `holder`; the number of rows where none does. Rows ascend in
  // position, so that with a causal mask the rows behind it may see one too.
  std::int64_t first_row(int owner, int holder) const {
    const std::vector<PositionRun> keys = shard_.runs(holder);
    const std::int64_t rows = shard_.local_length(owner);
    if (keys.empty()) return rows;
    if (!mask_.causal) return 0;
    std::int64_t lowest = keys[0].first;
    for (const PositionRun& run : keys) lowest = std::min(lowest, run.first);
    for (const PositionRun& run : shard_.runs(owner)) {
      if (run.last() < lowest) continue;
      return run.row + (run.first >= lowest ? 0 : (lowest - run.first + run.stride - 1) / run.stride);
    }
    return rows;
  }

  // The first of `owner`'s rows that some holder of steps >= step needs.
  std::int64_t first_travelling_row(int owner, int step) const {
    std::int64_t first = shard_.local_length(owner);
    for (int t = step; t < shard_.parts(); ++t) first = std::min(first, first_row(owner, route_.holder(owner, t)));
    return first;
  }

  std::int64_t travelling_rows(int owner, int step) const {
    return shard_.local_length(owner) - first_travelling_row(owner, step);
  }
  std::int64_t working_rows(int owner, int holder) const {
    return shard_.local_length(owner) - first_row(owner, holder);
  }

 private:
  MaskRule mask_;
  SequenceShard shard_;
  RingRoute route_;
};

}  // namespace longspan
