// How fast a configuration trains, against the floor: the model's floating-point operations over the matrix rate that
// the same ranks reach at the same time on products of the model's size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/result_table.hpp"
#include "train/session.hpp"

namespace longspan {

struct StepBenchmark {
  double flops = 0;   // of a step, forward and backward, all ranks, without recomputation
  double tokens = 0;  // of a step
  double matrix_rate_before = 0, matrix_rate_after = 0;  // FLOP/s of all ranks together
  std::vector<double> seconds;                           // of each timed step
  std::size_t reserved_before = 0, reserved_after = 0;   // bytes of this rank's pool around the timed steps
  std::size_t peak_bytes = 0;                            // of the fullest rank
  std::int64_t peak_resident = 0;                        // of its process, libraries and all

  double median_seconds() const;
  double matrix_rate() const { return (matrix_rate_before + matrix_rate_after) / 2; }
  double ratio() const { return flops / median_seconds() / matrix_rate(); }
  std::string text() const;
  // One row: mesh, sizes, seconds and rates; rows of several runs make a scaling study.
  ResultTable table(const TrainConfig& config) const;
};

// The session must be allocated for training. Collective.
StepBenchmark benchmark_steps(Session& session, std::int64_t warmup, std::int64_t steps);

}  // namespace longspan
