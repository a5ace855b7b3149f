// What backward computes again instead of keeping it (parallel.recompute).
#pragma once

#include <cstdint>
#include <string>

namespace longspan {

// Inside a block that is kept, from the least to the most.
enum class Remake {
  nothing,
  cheap,   // norms, non-linearities, joined heads
  linear,  // and products with weights: the heads of attention, what the feed-forward bends
};

struct Recompute {
  Remake remake = Remake::nothing;
  std::int64_t every = 0;  // whole blocks: every `every`-th keeps its input alone; 0: none

  bool whole_block(std::int64_t layer) const { return every > 0 && layer % every == 0; }
};

// none, selective (cheap), linear, block (all of them) or every:K. UserError for another text; fit is chosen among
// these before (train/recompute_choice.hpp).
Recompute parse_recompute(const std::string& text);

}  // namespace longspan
