#include "train/capacity_benchmark.hpp"

#include <optional>

#include "base/error.hpp"
#include "comm/together.hpp"
#include "train/session.hpp"
#include "train/training_step.hpp"

namespace longspan {
namespace {

TrainConfig with(TrainConfig config, Grow grow, std::int64_t value) {
  if (grow == Grow::batch) config.data.batch = value;
  if (grow == Grow::length) config.data.sequence_length = value;
  return config;
}

StepAccount fullest_rank(const TrainConfig& config, std::int64_t vocabulary) {
  StepAccount fullest;
  for (int stage = 0; stage < config.parallel.pipeline; ++stage) {
    const StepAccount account = account_fullest_rank(config, stage, vocabulary);
    if (account.peak_total > fullest.peak_total) fullest = account;
  }
  return fullest;
}

std::optional<StepAccount> account_if_it_fits(const TrainConfig& config, std::int64_t vocabulary) {
  try {
    return fullest_rank(config, vocabulary);
  } catch (const EnvironmentError&) {
    return std::nullopt;
  }
}

// Two real steps; of each number the largest over the ranks.
Capacity measure(const TrainConfig& config, const Comm& world) {
  MemoryPool& pool = MemoryPool::instance();
  CommCounters::instance().reset();
  Session session(config, world);
  session.allocate(true);
  TrainingStep step(session);
  step.run(0);
  Capacity result{config, {}};
  result.account.traffic = CommCounters::instance().all();
  step.run(1);
  const auto largest = [&](std::size_t bytes) {
    return static_cast<std::size_t>(world.all_reduce_value(static_cast<std::int64_t>(bytes), Reduce::max));
  };
  result.account.peak_total = largest(pool.total().peak);
  for (int c = 0; c < kMemoryCategories; ++c) result.account.peak[c] = largest(pool.use(static_cast<Memory>(c)).peak);
  return result;
}

ResultTable as_table(const Capacity& capacity) {
  const ParallelConfig& p = capacity.config.parallel;
  const auto bytes = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  std::vector<ResultTable::Cell> row = {{"method", "1", p.sequence_method},
                                        {"data", "1", p.data},
                                        {"tensor", "1", p.tensor},
                                        {"pipeline", "1", p.pipeline},
                                        {"sequence", "1", p.sequence},
                                        {"batch", "1", capacity.config.data.batch},
                                        {"length", "token", capacity.config.data.sequence_length},
                                        {"peak_bytes", "byte", bytes(capacity.account.peak_total)}};
  for (int c = 0; c < kMemoryCategories; ++c) {
    row.push_back({std::string("peak_") + to_string(static_cast<Memory>(c)), "byte", bytes(capacity.account.peak[c])});
  }
  for (const Axis axis : kAxes) {
    row.push_back({std::string("sent_") + to_string(axis), "byte", capacity.account.bytes_sent(to_string(axis))});
  }
  ResultTable table;
  table.add(row);
  return table;
}

}  // namespace

void bind(Options& options, CapacityBenchmarkConfig& config) {
  options
      .add_choice("bench.grow", config.grow, {"nothing", "batch", "length"},
                  "what is made as large as run.memory_limit allows")
      .add("bench.vocabulary", config.vocabulary, "tokens of the accounted model")
      .add("bench.real", config.real,
           "run two steps on the ranks that were started, on data.corpus, in place of an account")
      .add("bench.output", config.output, "HDF5 file of the results; empty: none");
}

ResultTable benchmark_capacity(const TrainConfig& config, const CapacityBenchmarkConfig& bench, const Comm& world) {
  if (bench.vocabulary < 2) throw UserError("bench.vocabulary = {} is too small; use 2 or more", bench.vocabulary);
  if (bench.real && bench.grow != "nothing") {
    throw UserError("bench.real measures the sizes as they are; set bench.grow to nothing");
  }
  if (bench.real) return as_table(measure(config, world));
  const Grow grow = bench.grow == "batch" ? Grow::batch : bench.grow == "length" ? Grow::length : Grow::nothing;
  ResultTable table;
  together(world, [&] {
    if (world.rank() == 0) table = as_table(find_capacity(config, grow, bench.vocabulary));
  });
  return table;
}

Capacity find_capacity(const TrainConfig& config, Grow grow, std::int64_t vocabulary) {
  if (grow == Grow::nothing) return {config, fullest_rank(config, vocabulary)};
  if (config.run.memory_limit == 0) {
    throw UserError("run.memory_limit is 0, so that there is no largest size; set the memory of a rank");
  }
  const std::int64_t unit = grow == Grow::batch ? config.parallel.data * config.parallel.microbatches : 1;
  Capacity best{with(config, grow, unit), fullest_rank(with(config, grow, unit), vocabulary)};
  // `fits` times the unit fits, `too_many` times does not.
  std::int64_t fits = 1, too_many = 2;
  const auto try_size = [&](std::int64_t n) {
    const TrainConfig larger = with(config, grow, n * unit);
    std::optional<StepAccount> account = account_if_it_fits(larger, vocabulary);
    if (!account) return false;
    best = {larger, *account};
    return true;
  };
  while (try_size(too_many)) {
    fits = too_many;
    too_many *= 2;
  }
  while (too_many - fits > 1 + fits / 1000) {  // to a thousandth
    const std::int64_t middle = fits + (too_many - fits) / 2;
    (try_size(middle) ? fits : too_many) = middle;
  }
  return best;
}

}  // namespace longspan
