// parallel.sequence_method = auto: the method for this model, mesh and machine. All attention layers of a model are
// alike, so that one method serves them all.
#pragma once

#include <string>

#include "comm/mesh.hpp"
#include "config/run_config.hpp"

namespace longspan {

struct SequenceChoice {
  std::string method, text;  // and a sentence about it and its nearest competitors
};

// The same on every rank: predicted by rank 0 (mixers/sequence/choose.hpp) from rates that all measure at once; the
// first that fits into run.memory_limit by an account of the step. Ring where there is nothing to choose, and in a mesh
// of phantoms, which has nothing to measure. Collective over the mesh.
SequenceChoice choose_sequence_method(const TrainConfig& config, const Mesh& mesh, std::int64_t vocabulary);

}  // namespace longspan
