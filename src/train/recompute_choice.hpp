// parallel.recompute = fit: as little as run.memory_limit allows.
#pragma once

#include <string>

#include "comm/comm.hpp"
#include "config/run_config.hpp"

namespace longspan {

struct RecomputeChoice {
  std::string recompute, reason;
};

// The cheapest with which the fullest rank of every stage stays within run.memory_limit by the account of a step
// (train/step_account.hpp); the less is computed again (models/flops.hpp) the cheaper. Where none fits, all blocks:
// the run itself then says which tensor is too large. A pure function.
RecomputeChoice choose_recompute(TrainConfig config, std::int64_t vocabulary);

// The same on every rank: rank 0's. Collective.
RecomputeChoice choose_recompute(const TrainConfig& config, const Comm& world, std::int64_t vocabulary);

}  // namespace longspan
