// How much fits: the largest batch or the longest sequence that a mesh trains within a rank's memory, found by
// shape-only steps (train/step_account.hpp) in one process.
#pragma once

#include <string>

#include "comm/comm.hpp"
#include "config/run_config.hpp"
#include "train/result_table.hpp"
#include "train/step_account.hpp"

namespace longspan {

enum class Grow { nothing, batch, length };

struct Capacity {
  TrainConfig config;   // with the batch and the length that fit
  StepAccount account;  // of the fullest rank over all stages
};

// The largest value of what grows for which every rank stays within run.memory_limit; it is a multiple of the ranks
// that share it (data x microbatches, or 1 for lengths). EnvironmentError where not even the smallest fits; UserError
// where something is to grow without a limit.
Capacity find_capacity(const TrainConfig& config, Grow grow, std::int64_t vocabulary);

struct CapacityBenchmarkConfig {
  std::string grow = "nothing";     // nothing, batch, length
  std::int64_t vocabulary = 50257;  // of the accounted model
  bool real = false;                // run two steps on the ranks that were started, on data.corpus
  std::string output;
};
void bind(Options& options, CapacityBenchmarkConfig& config);

// One row: the sizes, the fullest rank's peak in all and by category, and what it sends a step by axis. Collective.
ResultTable benchmark_capacity(const TrainConfig& config, const CapacityBenchmarkConfig& bench, const Comm& world);

}  // namespace longspan
