// How many (query, key) pairs a mask shows: the work of attention, by rank.
#pragma once

#include <cstdint>
#include <vector>

#include "layout/mask.hpp"
#include "layout/sequence_shard.hpp"

namespace longspan {

// Pairs of the queries at these positions with all keys of a sequence of `length` tokens without documents.
inline std::int64_t visible_pairs(const MaskRule& rule, const std::vector<PositionRun>& queries, std::int64_t length) {
  std::int64_t pairs = 0;
  for (const PositionRun& run : queries) {
    for (std::int64_t i = 0; i < run.count; ++i) pairs += visible(rule, run.position(i), {0, length}).size();
  }
  return pairs;
}

// Pairs of the queries at `queries` with the keys at `keys`.
inline std::int64_t visible_pairs(const MaskRule& rule, const std::vector<PositionRun>& queries,
                                  const std::vector<PositionRun>& keys, std::int64_t length) {
  const auto before = [](const PositionRun& run, std::int64_t position) {
    if (position <= run.first) return std::int64_t{0};
    const std::int64_t n = (position - run.first + run.stride - 1) / run.stride;
    return n < run.count ? n : run.count;
  };
  std::int64_t pairs = 0;
  for (const PositionRun& run : queries) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      const Range seen = visible(rule, run.position(i), {0, length});
      for (const PositionRun& k : keys) pairs += before(k, seen.end) - before(k, seen.begin);
    }
  }
  return pairs;
}

}  // namespace longspan
