// parallel.sequence_method = auto: for each kind of attention layer the method for this model, mesh and machine.
#pragma once

#include <string>
#include <vector>

#include "comm/mesh.hpp"
#include "config/run_config.hpp"
#include "mixers/sequence/choose.hpp"

namespace longspan {

// Attention layers that are alike: those with the same window.
struct AttentionKind {
  SpreadLayer spread;
  std::vector<std::size_t> layers;  // numbers of the layers
};

// In the order of their first layer, on a sequence axis in groups of `inner` neighbours.
std::vector<AttentionKind> attention_kinds(const TrainConfig& config, int inner);

struct SequenceChoice {
  std::string methods;               // of all layers, a pattern
  std::vector<std::string> reasons;  // a sentence a kind about its method and the nearest competitors
};

// The fastest methods, by `rates` of each kind, with which a step fits into run.memory_limit by its account
// (train/step_account.hpp). Where none fits the run itself says which tensor is too large.
SequenceChoice choose_by_rates(const TrainConfig& config, const std::vector<AttentionKind>& kinds,
                               const std::vector<MachineRates>& rates, std::int64_t vocabulary);

// The same on every rank: by rank 0 from rates that all measure at once. Ring where there is nothing to choose, and in
// a mesh of phantoms, which has nothing to measure. Collective over the mesh.
SequenceChoice choose_sequence_methods(const TrainConfig& config, const Mesh& mesh, std::int64_t vocabulary);

}  // namespace longspan
