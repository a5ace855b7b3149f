// All parameters of a model, of every stage, in the order of the stages: what a checkpoint holds. Every rank of one
// model gets the same list.
#pragma once

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

}  // namespace longspan
