#include "layout/halo.hpp"

#include <algorithm>

namespace longspan {
namespace {

// Rows of a run at positions before `position`.
std::int64_t rows_before(const PositionRun& run, std::int64_t position) {
  if (position <= run.first) return 0;
  return std::min(run.count, (position - run.first + run.stride - 1) / run.stride);
}

}  // namespace

std::vector<Range> rows_needed(const MaskRule& rule, const SequenceShard& shard, int from, int to) {
  std::vector<Range> ranges;
  for (const PositionRun& keys : shard.runs(from)) {
    for (const PositionRun& queries : shard.runs(to)) {
      const Range all{0, shard.global_length()};
      const Range seen{visible(rule, queries.first, all).begin, visible(rule, queries.last(), all).end};
      const Range rows{keys.row + rows_before(keys, seen.begin), keys.row + rows_before(keys, seen.end)};
      if (rows.size() > 0) ranges.push_back(rows);
    }
  }
  std::ranges::sort(ranges, {}, &Range::begin);
  std::vector<Range> merged;
  for (const Range& r : ranges) {
    if (!merged.empty() && r.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, r.end);
    } else {
      merged.push_back(r);
    }
  }
  return merged;
}

std::int64_t count_rows(const std::vector<Range>& ranges) {
  std::int64_t count = 0;
  for (const Range& r : ranges) count += r.size();
  return count;
}

std::vector<PositionRun> runs_of_rows(const std::vector<PositionRun>& runs, const std::vector<Range>& ranges) {
  std::vector<PositionRun> packed;
  std::int64_t row = 0;
  for (const Range& r : ranges) {
    for (PositionRun run : slice_runs(runs, r)) {
      run.row += row;
      packed.push_back(run);
    }
    row += r.size();
  }
  return packed;
}

}  // namespace longspan
