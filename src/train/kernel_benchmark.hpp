// Kernels alone, forward and backward, against their floors: matrix rate and copy bandwidth of this machine, measured
// in the same minute.
#pragma once

#include <string>
#include <vector>

#include "config/options.hpp"
#include "train/kernel_trials.hpp"
#include "train/result_table.hpp"

namespace longspan {

struct KernelBenchmarkConfig {
  std::string kernels = "all";  // list
  std::int64_t batch = 1, length = 4096, heads = 4, width = 64, vocabulary = 32000, chunk = 64, state_width = 16;
  std::string dtype = "float32";
  std::int64_t repeats = 5;
  std::string output, tensors;
};
void bind(Options& options, KernelBenchmarkConfig& config);

// One row a kernel. Writes `tensors` too where it is named, which takes a single kernel. Of this process alone.
ResultTable benchmark_kernels(const KernelBenchmarkConfig& config);

}  // namespace longspan
