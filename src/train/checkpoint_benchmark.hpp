// How fast checkpoints of a model are written, verified and read, beside plain files of the same size on the same disk.
#pragma once

#include <cstdint>
#include <string>

#include "comm/comm.hpp"
#include "config/run_config.hpp"
#include "train/result_table.hpp"

namespace longspan {

struct CheckpointBenchmarkConfig {
  std::string folder = ".";         // where the files are written
  std::int64_t vocabulary = 50257;  // of the model
  std::int64_t repeats = 3;         // the fastest counts
  std::string output;
};
void bind(Options& options, CheckpointBenchmarkConfig& config);

// A row for each: plain files that all ranks write at once, one a rank, and read again; a save that is waited for; what
// a save in the background lets the caller wait; verifying and loading. Files are out of the page cache before they are
// read, as far as the system allows. The files go away. Collective.
ResultTable benchmark_checkpoint(const TrainConfig& config, const CheckpointBenchmarkConfig& bench, const Comm& world);

}  // namespace longspan
