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

std::vector<PositionRun> SequenceShard::runs(int part) const {
  std::vector<PositionRun> runs;
  switch (kind_) {
    case ShardKind::contiguous:
      append(runs, split(length_, parts_, part));
      break;
    case ShardKind::zigzag:
      append(runs, split(length_, 2 * parts_, part));
      append(runs, split(length_, 2 * parts_, 2 * parts_ - 1 - part));
      break;
    case ShardKind::striped: {
      const std::int64_t count = stripe_length(length_, parts_, part);
      if (count > 0) runs.push_back({0, part, count, parts_});
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
  switch (kind_) {
    case ShardKind::contiguous:
      return split(length_, parts_, part).size();
    case ShardKind::zigzag:
      return split(length_, 2 * parts_, part).size() + split(length_, 2 * parts_, 2 * parts_ - 1 - part).size();
    case ShardKind::striped:
      return stripe_length(length_, parts_, part);
  }
  return 0;
}

std::int64_t SequenceShard::longest() const {
  std::int64_t longest = 0;
  for (int part = 0; part < parts_; ++part) longest = std::max(longest, local_length(part));
  return longest;
}

SequenceShard::Place SequenceShard::place(std::int64_t position) const {
  LONGSPAN_CHECK(position >= 0 && position < length_, "[sequence_shard] position {} is outside a sequence of {}",
                 position, length_);
  if (kind_ == ShardKind::striped) return {static_cast<int>(position % parts_), position / parts_};
  if (kind_ == ShardKind::contiguous) {
    const std::int64_t part = split_owner(length_, parts_, position);
    return {static_cast<int>(part), position - split(length_, parts_, part).begin};
  }
  // Zigzag: chunk 2S-1-s of rank s lies in its rows behind chunk s.
  const std::int64_t chunks = 2 * static_cast<std::int64_t>(parts_);
  const std::int64_t chunk = split_owner(length_, chunks, position);
  const std::int64_t part = std::min(chunk, chunks - 1 - chunk);
  const std::int64_t before = chunk == part ? 0 : split(length_, chunks, part).size();
  return {static_cast<int>(part), before + position - split(length_, chunks, chunk).begin};
}

}  // namespace longspan
