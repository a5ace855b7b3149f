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
  Tensor flat;               // this rank's elements: those it holds, as the store's, or
  bool owned_alone = false;  // those it owns (ParameterStore::owned_of)
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
  std::size_t copied_bytes() const { return (bytes() + 7) / 8 * 8; }  // aligned for the next one
};

// Over all ranks of the mesh every element of every tensor is in exactly one OwnPart.
std::vector<OwnPart> own_parts(const ParameterStore& store, const std::vector<CatalogueEntry>& entries,
                               const std::vector<CheckpointArray>& arrays);

// Bytes of a copy of what the rank at `at` writes. It is of this rank's stage and holds parts of the same sizes.
std::size_t snapshot_bytes(const ParameterStore& store, const std::vector<CheckpointArray>& arrays,
                           const MeshCoordinate& at);

// The part of a logical tensor that a rank holds of it.
TensorPart tensor_part(const Shape& logical, const ParameterShard& shard, const std::vector<PositionRun>& runs);

}  // namespace longspan
