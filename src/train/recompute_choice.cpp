#include "train/recompute_choice.hpp"

#include <algorithm>
#include <format>

#include "base/error.hpp"
#include "comm/together.hpp"
#include "models/flops.hpp"
#include "train/step_account.hpp"

namespace longspan {
namespace {

// Bytes of the fullest rank; EnvironmentError where a tensor passes the limit.
std::size_t peak_of(const TrainConfig& config, std::int64_t vocabulary) {
  std::size_t peak = 0;
  for (int stage = 0; stage < config.parallel.pipeline; ++stage) {
    peak = std::max(peak, account_fullest_rank(config, stage, vocabulary).peak_total);
  }
  return peak;
}

// From the least to the most that is computed again; what is cheap counts as nothing and comes second.
std::vector<std::string> cheapest_first(const TrainConfig& config, std::int64_t vocabulary) {
  std::vector<std::string> candidates = {"none", "selective", "linear", "every:4", "every:2", "block"};
  std::ranges::stable_sort(candidates, {}, [&](const std::string& candidate) {
    return recomputed_flops({.model = config.model,
                             .vocabulary = vocabulary,
                             .max_length = config.data.sequence_length,
                             .recompute = parse_recompute(candidate)},
                            config.data.sequence_length);
  });
  return candidates;
}

}  // namespace

RecomputeChoice choose_recompute(TrainConfig config, std::int64_t vocabulary) {
  const auto limit = static_cast<double>(config.run.memory_limit);
  for (const std::string& candidate : cheapest_first(config, vocabulary)) {
    config.parallel.recompute = candidate;
    try {
      const auto peak = static_cast<double>(peak_of(config, vocabulary));
      return {candidate, std::format("{}, chosen: the fullest rank holds {} at most, of run.memory_limit = {}",
                                     candidate, format_bytes(peak), format_bytes(limit))};
    } catch (const EnvironmentError&) {
    }
  }
  return {"block", std::format("block, though a step does not fit run.memory_limit = {}", format_bytes(limit))};
}

RecomputeChoice choose_recompute(const TrainConfig& config, const Comm& world, std::int64_t vocabulary) {
  RecomputeChoice choice;
  together(world, [&] {
    if (world.rank() == 0) choice = choose_recompute(config, vocabulary);
  });
  return {world.broadcast_text(choice.recompute, 0), world.broadcast_text(choice.reason, 0)};
}

}  // namespace longspan
