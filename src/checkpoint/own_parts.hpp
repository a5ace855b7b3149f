// What a rank writes of a checkpoint: which elements of which tensor, and where they are in its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/catalogue.hpp"
#include "layout/tensor_part.hpp"
#include "optim/optimizer.hpp"

namespace longspan {

// A checkpoint's arrays: "model" and, with an optimizer, "optimizer/<state>". Every array holds every parameter.
struct CheckpointArray {
  std::string group;
  Tensor flat;  // this rank's elements, as the store's
};
std::vector<CheckpointArray> checkpoint_arrays(const ParameterStore& store, const Optimizer* optimizer);

// Datasets are numbered array by array, each in the order of the catalogue.
struct OwnPart {
  std::size_t dataset = 0;
  std::size_t element_bytes = 0;
  TensorPart part;                  // of the logical tensor: what this rank holds
  Range elements;                   // of the part: what this rank writes
  const std::byte* data = nullptr;  // of the first of them

  std::size_t bytes() const { return static_cast<std::size_t>(elements.size()) * element_bytes; }
};

// Over all ranks of the mesh every element of every tensor is in exactly one OwnPart.
std::vector<OwnPart> own_parts(const ParameterStore& store, const std::vector<CatalogueEntry>& entries,
                               const std::vector<CheckpointArray>& arrays);

// The part of a logical tensor that a rank holds of it.
TensorPart tensor_part(const Shape& logical, const ParameterShard& shard, const std::vector<PositionRun>& runs);

}  // namespace longspan
