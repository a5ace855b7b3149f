// How a model is cut into chunks for the pipeline, and which stage holds which. The first chunk also holds the
// embedding, the last one the head.
#pragma once

#include <cstdint>
#include <vector>

#include "layout/split.hpp"

namespace longspan {

struct ModelSplit {
  std::vector<int> stage_of;  // [chunk], in the order of depth
  std::vector<Range> layers;  // [chunk]

  int chunks() const { return static_cast<int>(layers.size()); }
};

// The whole model as one chunk.
ModelSplit one_chunk(std::int64_t layers);

// Cuts layers in order into chunks of at least one layer so that the most expensive chunk is as cheap as can be, and
// among those cuts the sum of squares is least. `costs` [layer] in any unit (FLOPs of a forward pass); `first` and
// `last` are those of the embedding and the head.
std::vector<Range> split_by_cost(const std::vector<double>& costs, double first, double last, int chunks);

// Chunks of the sizes given.
std::vector<Range> split_by_sizes(const std::vector<std::int64_t>& sizes);

}  // namespace longspan
