#include "train/step_benchmark.hpp"

#include <algorithm>
#include <format>

#include "base/machine.hpp"
#include "base/timer.hpp"
#include "tensor/device.hpp"
#include "train/matrix_rate.hpp"
#include "train/training_step.hpp"

namespace longspan {

double StepBenchmark::median_seconds() const {
  std::vector<double> sorted = seconds;
  std::ranges::sort(sorted);
  return sorted[sorted.size() / 2];
}

std::string StepBenchmark::text() const {
  const auto [least, most] = std::ranges::minmax(seconds);
  return std::format(
      "work       {:.2f} GFLOP a step, {:.0f} tokens\n"
      "seconds    {:.4f} median of {} steps ({:.4f} to {:.4f}); {:.0f} tokens/s\n"
      "rate       {:.1f} GFLOP/s; matrix products alone {:.1f} before and {:.1f} after\n"
      "ratio      {:.1f}% of the matrix rate\n"
      "memory     {} peak on the fullest rank; pool {} before the timed steps, {} after",
      flops / 1e9, tokens, median_seconds(), seconds.size(), least, most, tokens / median_seconds(),
      flops / median_seconds() / 1e9, matrix_rate_before / 1e9, matrix_rate_after / 1e9, 100 * ratio(),
      format_bytes(static_cast<double>(peak_bytes)), format_bytes(static_cast<double>(reserved_before)),
      format_bytes(static_cast<double>(reserved_after)));
}

ResultTable StepBenchmark::table(const TrainConfig& config) const {
  const ParallelConfig& p = config.parallel;
  ResultTable table;
  table.add({{"ranks", "1", p.data * p.tensor * p.pipeline * p.sequence},
             {"data", "1", p.data},
             {"tensor", "1", p.tensor},
             {"pipeline", "1", p.pipeline},
             {"sequence", "1", p.sequence},
             {"batch", "1", config.data.batch},
             {"length", "token", config.data.sequence_length},
             {"seconds", "s", median_seconds()},
             {"tokens_per_second", "token/s", tokens / median_seconds()},
             {"rate", "FLOP/s", flops / median_seconds()},
             {"matrix_rate", "FLOP/s", matrix_rate()},
             {"ratio", "1", ratio()},
             {"peak_bytes", "byte", static_cast<std::int64_t>(peak_bytes)},
             {"peak_resident", "byte", peak_resident}});
  return table;
}

StepBenchmark benchmark_steps(Session& session, std::int64_t warmup, std::int64_t steps) {
  const DataConfig& data = session.config().data;
  const Comm& world = session.mesh().world();
  TrainingStep step(session);
  for (std::int64_t s = 0; s < warmup; ++s) step.run(s);
  StepBenchmark result;
  result.flops = session.decoder().training_flops(data.sequence_length) * static_cast<double>(data.batch);
  result.tokens = static_cast<double>(data.batch * data.sequence_length);
  result.matrix_rate_before = total_matrix_rate(session);
  result.reserved_before = MemoryPool::instance().reserved();
  for (std::int64_t s = 0; s < steps; ++s) {
    world.barrier();
    const Timer timer;
    step.run(warmup + s);
    device::fence();
    result.seconds.push_back(world.all_reduce_value(timer.seconds(), Reduce::max));
  }
  result.reserved_after = MemoryPool::instance().reserved();
  result.matrix_rate_after = total_matrix_rate(session);
  result.peak_bytes = static_cast<std::size_t>(
      world.all_reduce_value(static_cast<std::int64_t>(MemoryPool::instance().total().peak), Reduce::max));
  result.peak_resident = world.all_reduce_value(peak_resident_bytes(), Reduce::max);
  return result;
}

}  // namespace longspan
