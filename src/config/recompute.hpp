// What backward computes again instead of keeping it (parallel.recompute).
#pragma once

#include <cstdint>
#include <string>

namespace longspan {

struct Recompute {
  bool selective = false;  // norms, non-linearities, joined heads: cheap to make from what is kept
  std::int64_t every = 0;  // whole blocks: every `every`-th keeps its input alone; 0: none

  bool whole_block(std::int64_t layer) const { return every > 0 && layer % every == 0; }
};

// none, selective, block (all of them) or every:K. UserError for another text; fit is chosen among these before
// (train/recompute_choice.hpp).
Recompute parse_recompute(const std::string& text);

}  // namespace longspan
