// Which rows of keys a part of a sequence needs from the other parts when a query sees only a window of positions. For
// contiguous shards that is the edge of the neighbour: window - 1 rows, and of further ranks where shards are shorter.
#pragma once

#include <vector>

#include "layout/mask.hpp"
#include "layout/sequence_shard.hpp"

namespace longspan {

// Ascending, disjoint ranges of rows of part `from` that some query of part `to` may see; documents are not looked at.
std::vector<Range> rows_needed(const MaskRule& rule, const SequenceShard& shard, int from, int to);

std::int64_t count_rows(const std::vector<Range>& ranges);

// The runs of these rows, packed one range after the other.
std::vector<PositionRun> runs_of_rows(const std::vector<PositionRun>& runs, const std::vector<Range>& ranges);

}  // namespace longspan
