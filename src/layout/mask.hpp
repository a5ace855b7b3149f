// Attention masks as intervals: the query at global position p sees the keys at global positions [begin, end), the
// intersection of its document, the causal past [0, p] and the window around p. Kernels and cost formulas read these
// intervals; nobody builds a T x T mask.
#pragma once

#include <cstdint>
#include <vector>

#include "layout/split.hpp"

namespace longspan {

struct MaskRule {
  bool causal = true;
  std::int64_t window = 0;  // 0: unlimited; else a query sees itself and window - 1 positions before it (and after it
                            // too if not causal)
};

// The keys that the query at `position`, a position of `document`, sees; never empty.
Range visible(const MaskRule& rule, std::int64_t position, const Range& document);

// The document that holds a position of a sequence of `length` tokens. `starts` ascends; positions before the first
// start belong to a document without a start of its own, equal starts are empty documents.
Range document_of(const std::vector<std::int64_t>& starts, std::int64_t length, std::int64_t position);

// visible() for each row of a sequence shard: row i, at positions[i], sees the keys at positions [begin[i], end[i]).
struct VisibleKeys {
  std::vector<std::int32_t> begin, end;
};
VisibleKeys visible_keys(const MaskRule& rule, const std::vector<std::int64_t>& positions,
                         const std::vector<std::int64_t>& document_starts, std::int64_t length);

}  // namespace longspan
