// What one rank of a mesh holds and sends in a training step, found by running the real step shape-only
// (tensor/shape_only.hpp) in this process alone: no other ranks, no data, no arithmetic. The account equals that of the
// real rank to the byte.
//
// Two things depend on where and on what a run trains. Matrix products and attention take workspaces for the threads
// that a rank has: the account takes this process'. And where data.mask_documents cuts attention at documents, a real
// rank may meet fewer sizes of attention tiles, whose products take workspaces: the account has one document a
// sequence, which meets them all.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "comm/counters.hpp"
#include "config/run_config.hpp"
#include "layout/mesh_shape.hpp"
#include "tensor/memory.hpp"

namespace longspan {

struct StepAccount {
  std::array<std::size_t, kMemoryCategories> peak{};                 // bytes; categories peak at different times
  std::size_t peak_total = 0;                                        // the most bytes held at one time
  std::size_t reserved = 0;                                          // with the freed blocks that the pool keeps
  std::map<std::pair<std::string, std::string>, CommCount> traffic;  // by group and kind, of the step
  // What a checkpoint that is written in the background adds to a step: a copy of the rank's share, of the rank of this
  // stage that writes most if all have parts as large as this one's. It gives way where it does not fit.
  std::size_t snapshot = 0;

  std::size_t peak_of(Memory category) const { return peak[static_cast<std::size_t>(category)]; }
  std::int64_t bytes_sent(const std::string& group) const;  // all kinds together
};

// The first step of the rank at `at`, from the allocation of its parameters on. `config.parallel` names the mesh;
// data.corpus is not read. EnvironmentError naming the tensor where run.memory_limit is too small.
StepAccount account_step(const TrainConfig& config, const MeshCoordinate& at, std::int64_t vocabulary);

// Of the rank of a pipeline stage that holds most. One exception: with striped shards and parallel.sequence_method =
// window another rank may keep a few rows of keys more.
StepAccount account_fullest_rank(const TrainConfig& config, int stage, std::int64_t vocabulary);

}  // namespace longspan
