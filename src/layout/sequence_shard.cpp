#include "layout/sequence_shard.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "layout/split.hpp"

namespace longspan {

namespace {

// Appends positions [range.begin, range.end); a range that continues the last run makes that run longer.
void append(std::vector<PositionRun>& runs, const Range& range) {
  if (range.size() == 0) return;
  if (!runs.empty() && runs.back().last() + 1 == range.begin) {
    runs.back().count += range.size();
    return;
  }
  const std::int64_t row = runs.empty() ? 0 : runs.back().row + runs.back().count;
  runs.push_back({row, range.begin, range.size(), 1});
}

// The number of positions s, s + parts, s + 2 parts, ... below the length.
std::int64_t stripe_length(std::int64_t length, int parts, int part) {
  return length <= part ? 0 : (length - part - 1) / parts + 1;
}

std::vector<PositionRun> contiguous_run(std::int64_t length) {
  std::vector<PositionRun> runs;
  append(runs, {0, length});
  return runs;
}

int base_owner(ShardKind kind, std::int64_t length, int parts, std::int64_t position) {
  if (kind == ShardKind::striped) return static_cast<int>(position % parts);
  if (kind == ShardKind::contiguous) return static_cast<int>(split_owner(length, parts, position));
  const std::int64_t chunks = 2 * static_cast<std::int64_t>(parts);
  const std::int64_t chunk = split_owner(length, chunks, position);
  return static_cast<int>(std::min(chunk, chunks - 1 - chunk));
}

}  // namespace

const char* to_string(ShardKind kind) {
  switch (kind) {
    case ShardKind::contiguous:
      return "contiguous";
    case ShardKind::zigzag:
      return "zigzag";
    case ShardKind::striped:
      return "striped";
  }
  return "unknown";
}

SequenceShard::SequenceShard(ShardKind kind, std::int64_t length, int parts, int part)
    : kind_(kind), length_(length), parts_(parts), part_(part) {
  LONGSPAN_CHECK(length >= 0, "[sequence_shard] the length must not be negative, got {}", length);
  LONGSPAN_CHECK(parts >= 1, "[sequence_shard] at least one part is needed, got {}", parts);
  LONGSPAN_CHECK(part >= 0 && part < parts, "[sequence_shard] part {} is outside 0 to {}", part, parts - 1);
  runs_ = runs(part);
}

SequenceShard SequenceShard::of_part(int part) const {
  SequenceShard other = *this;
  other.part_ = part;
  other.runs_ = other.runs(part);
  return other;
}

SequenceShard SequenceShard::grouped(int size) const {
  LONGSPAN_CHECK(size >= 1 && parts_ % size == 0, "[sequence_shard] {} parts do not make groups of {}", parts_, size);
  SequenceShard group = *this;
  group.group_ = group_ * size;
  group.parts_ = parts_ / size;
  group.part_ = part_ / size;
  group.runs_ = group.runs(group.part_);
  return group;
}

std::vector<PositionRun> SequenceShard::runs(int part) const {
  if (group_ == 1) return runs_of_base(part);
  if (kind_ == ShardKind::striped && parts_ == 1) return contiguous_run(length_);
  std::vector<PositionRun> all;
  for (int i = 0; i < group_; ++i) {
    for (const PositionRun& run : runs_of_base(part * group_ + i)) all.push_back(run);
  }
  std::ranges::sort(all, {}, &PositionRun::first);
  std::vector<PositionRun> runs;
  for (PositionRun run : all) {
    if (run.stride == 1) {
      append(runs, {run.first, run.first + run.count});
    } else {
      run.row = runs.empty() ? 0 : runs.back().row + runs.back().count;
      runs.push_back(run);
    }
  }
  return runs;
}

std::vector<PositionRun> SequenceShard::runs_of_base(int base_part) const {
  const int parts = parts_ * group_;
  std::vector<PositionRun> runs;
  switch (kind_) {
    case ShardKind::contiguous:
      append(runs, split(length_, parts, base_part));
      break;
    case ShardKind::zigzag:
      append(runs, split(length_, 2 * parts, base_part));
      append(runs, split(length_, 2 * parts, 2 * parts - 1 - base_part));
      break;
    case ShardKind::striped: {
      const std::int64_t count = stripe_length(length_, parts, base_part);
      if (count > 0) runs.push_back({0, base_part, count, parts});
      break;
    }
  }
  return runs;
}

std::vector<std::int64_t> SequenceShard::positions() const {
  std::vector<std::int64_t> positions;
  positions.reserve(local_length());
  for (const PositionRun& run : runs_) {
    for (std::int64_t i = 0; i < run.count; ++i) positions.push_back(run.position(i));
  }
  return positions;
}

std::int64_t SequenceShard::local_length(int part) const {
  std::int64_t length = 0;
  for (const PositionRun& run : runs(part)) length += run.count;
  return length;
}

std::int64_t SequenceShard::longest() const {
  std::int64_t longest = 0;
  for (int part = 0; part < parts_; ++part) longest = std::max(longest, local_length(part));
  return longest;
}

SequenceShard::Place SequenceShard::place(std::int64_t position) const {
  LONGSPAN_CHECK(position >= 0 && position < length_, "[sequence_shard] position {} is outside a sequence of {}",
                 position, length_);
  const int part = base_owner(kind_, length_, parts_ * group_, position) / group_;
  for (const PositionRun& run : runs(part)) {
    const std::int64_t i = (position - run.first) / run.stride;
    if (position >= run.first && position <= run.last() && run.position(i) == position) return {part, run.row + i};
  }
  check_failed(__FILE__, __LINE__, "[sequence_shard] no run holds a position of its part");
}

std::vector<RowMove> rows_in_group(const SequenceShard& base, int part, int group_size) {
  const std::vector<PositionRun> runs = base.grouped(group_size).runs(part / group_size);
  std::vector<RowMove> moves;
  for (const PositionRun& mine : base.runs(part)) {
    const auto home = std::ranges::find_if(runs, [&](const PositionRun& run) {
      return mine.first >= run.first && mine.first <= run.last() && (mine.first - run.first) % run.stride == 0;
    });
    LONGSPAN_CHECK(home != runs.end(), "[sequence_shard] a run of part {} is not in its group", part);
    moves.push_back({mine.row, home->row + (mine.first - home->first) / home->stride, mine.count,
                     mine.count == 1 ? 1 : mine.stride / home->stride});
  }
  return moves;
}

std::vector<PositionRun> slice_runs(const std::vector<PositionRun>& runs, const Range& rows) {
  std::vector<PositionRun> slice;
  for (const PositionRun& run : runs) {
    const std::int64_t from = std::max(rows.begin, run.row), to = std::min(rows.end, run.row + run.count);
    if (from < to) slice.push_back({from - rows.begin, run.position(from - run.row), to - from, run.stride});
  }
  return slice;
}

}  // namespace longspan
