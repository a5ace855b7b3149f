#include "train/capacity_benchmark.hpp"

#include <optional>

#include "base/error.hpp"

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

}  // namespace

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
