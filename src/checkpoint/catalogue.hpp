// All parameters of a model, of every stage, in the order of the stages: what a checkpoint holds. Every rank of one
// model gets the same list.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comm/mesh.hpp"
#include "nn/parameter.hpp"

namespace longspan {

struct CatalogueEntry {
  std::string name;
  Shape shape;  // logical
  ParameterShard shard;
  int stage = 0;  // that holds it
};

// Collective over mesh.model().
std::vector<CatalogueEntry> catalogue(const Mesh& mesh, const ParameterStore& store);

// Brings one flat array of a parameter (the store's values or an optimizer state) together on world rank 0: there its
// logical elements in row-major order, elsewhere nothing. Collective over the ranks of data coordinate 0; the memory
// needed is that of the logical tensor and one part of it.
std::vector<std::byte> gather(const Mesh& mesh, const ParameterStore& store, const CatalogueEntry& entry,
                              const Tensor& flat);

// Copies a part, whose entries of dimension `dim` are `runs`, to its places in the logical tensor.
void place_part(const std::byte* part, const std::vector<PositionRun>& runs, int dim, const Shape& shape,
                std::size_t element_bytes, std::byte* logical);

}  // namespace longspan
