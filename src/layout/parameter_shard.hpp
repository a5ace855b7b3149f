// How a parameter is split over the tensor axis: whole on every rank, or one dimension cut into balanced pieces of
// whole granules (a granule keeps the rows of one head together).
#pragma once

#include <cstdint>

#include "layout/split.hpp"

namespace longspan {

struct ParameterShard {
  int dim = -1;              // the dimension that the tensor axis splits; -1: replicated
  std::int64_t granule = 1;  // rows that stay together

  bool replicated() const { return dim < 0; }
  // The part of a dimension of n entries (a multiple of the granule) that tensor rank `part` of `parts` holds.
  Range range(std::int64_t n, int parts, int part) const {
    const Range r = split(n / granule, parts, part);
    return {r.begin * granule, r.end * granule};
  }
};

}  // namespace longspan
