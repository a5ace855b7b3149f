// How dimension 0 of a tensor is cut into one block of rows per rank, in elements; for comm/ only.
#pragma once

#include <vector>

#include "comm/comm.hpp"

namespace longspan {

struct Comm::Blocks {
  // Throws unless `rows` has `ranks` entries >= 0 that add up to the rows of `t`.
  Blocks(const Tensor& t, const std::vector<std::int64_t>& rows, int ranks, const char* kind);
  // All of `t` for every rank.
  Blocks(const Tensor& t, int ranks) : first(ranks, 0), count(ranks, t.size()) {}

  // All of `t` for the rank `peer` alone, or for nobody where there is no such rank.
  static Blocks only(const Tensor& t, int peer, int ranks) {
    Blocks blocks(t, ranks);
    for (int r = 0; r < ranks; ++r) blocks.count[r] = r == peer ? t.size() : 0;
    return blocks;
  }

  std::vector<std::int64_t> first, count;

  // As MPI takes them; only where the whole tensor goes in one piece.
  std::vector<int> counts() const { return {count.begin(), count.end()}; }
  std::vector<int> offsets() const { return {first.begin(), first.end()}; }
};

}  // namespace longspan
