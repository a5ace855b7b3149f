// Where the elements of a rank's part of a row-major tensor stand in the whole: runs of elements that are neighbours in
// both. Files of logical tensors are written and read by them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "layout/sequence_shard.hpp"
#include "layout/split.hpp"

namespace longspan {

// The entries `runs` of one dimension, everything of the others.
struct TensorPart {
  std::int64_t outer = 1, extent = 1, inner = 1;  // entries before that dimension, of it, and behind it
  std::vector<PositionRun> runs;                  // ascending

  std::int64_t entries() const { return runs.empty() ? 0 : runs.back().row + runs.back().count; }
  std::int64_t size() const { return outer * entries() * inner; }
};

struct ElementRun {
  std::int64_t logical = 0, local = 0, count = 0;  // first element in the whole and in the part
  bool operator==(const ElementRun&) const = default;
};

// Calls visit(ElementRun) for elements [range) of the part, ascending; neighbours are one run.
template <class Visit>
void for_each_run(const TensorPart& part, const Range& range, const Visit& visit) {
  const std::int64_t row = part.entries() * part.inner;
  ElementRun open;
  const auto add = [&](std::int64_t logical, std::int64_t local, std::int64_t count) {
    const std::int64_t skipped = std::max<std::int64_t>(0, range.begin - local);
    count = std::min(count, range.end - local) - skipped;
    if (count <= 0) return;
    if (open.count > 0 && open.logical + open.count == logical + skipped) {
      open.count += count;
      return;
    }
    if (open.count > 0) visit(open);
    open = {logical + skipped, local + skipped, count};
  };
  if (row == 0) return;
  for (std::int64_t o = range.begin / row; o < part.outer && o * row < range.end; ++o) {
    const std::int64_t whole = o * part.extent * part.inner, own = o * row;
    for (const PositionRun& run : part.runs) {
      const std::int64_t piece = run.stride == 1 ? run.count : 1;
      for (std::int64_t i = 0; i < run.count; i += piece) {
        add(whole + run.position(i) * part.inner, own + (run.row + i) * part.inner, piece * part.inner);
      }
    }
  }
  if (open.count > 0) visit(open);
}

// Holders of the same part share the work of writing it: element ranges in whole blocks, so that a small part is one
// rank's. `turn` moves the first block on, so that not all small parts are the same rank's.
inline Range written_share(std::int64_t size, std::int64_t holders, std::int64_t holder, std::int64_t turn) {
  constexpr std::int64_t block = 1 << 16;
  const Range blocks = split((size + block - 1) / block, holders, (holder + turn) % holders);
  return {std::min(size, blocks.begin * block), std::min(size, blocks.end * block)};
}

}  // namespace longspan
