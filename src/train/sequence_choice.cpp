#include "train/sequence_choice.hpp"

#include <algorithm>
#include <format>

#include "comm/together.hpp"
#include "config/mixer_pattern.hpp"
#include "mixers/sequence/measure_rates.hpp"
#include "train/session.hpp"
#include "train/step_account.hpp"

namespace longspan {
namespace {

constexpr std::size_t kCompetitors = 3;  // that the text names

SpreadLayer layer_of(const TrainConfig& config, const Mesh& mesh) {
  const ModelConfig& model = config.model;
  const ParallelConfig& parallel = config.parallel;
  return {.sizes = {.batch = config.data.batch / (parallel.data * parallel.microbatches),
                    .heads = model.heads / parallel.tensor,
                    .key_heads = model.num_kv_heads() / parallel.tensor,
                    .head_width = model.head_width(),
                    .dtype = parse_float_dtype(config.run.dtype, "run.dtype")},
          .mask = {.causal = model.causal, .window = model.window},
          .shard = shard_kind(config),
          .length = config.data.sequence_length,
          .ranks = mesh.shape().sequence,
          .inner = mesh.sequence_inner().size()};
}

// Whether a step of every stage stays within run.memory_limit.
bool fits(TrainConfig config, const std::string& method, std::int64_t vocabulary) {
  if (config.run.memory_limit == 0) return true;
  config.parallel.sequence_method = method;
  try {
    for (int stage = 0; stage < config.parallel.pipeline; ++stage) account_fullest_rank(config, stage, vocabulary);
  } catch (const EnvironmentError&) {
    return false;
  }
  return true;
}

// The first that fits, and the next best by name; where none fits the run itself says which tensor is too large.
SequenceChoice first_that_fits(const TrainConfig& config, const std::vector<MethodSeconds>& ranked,
                               std::int64_t vocabulary) {
  SequenceChoice choice;
  std::string others;
  std::size_t named = 0;
  for (const MethodSeconds& m : ranked) {
    const bool taken = !choice.method.empty();
    if (taken && named == kCompetitors) break;
    const bool small_enough = taken || fits(config, m.method, vocabulary);
    if (!taken && small_enough) {
      choice = {m.method,
                std::format("{}, chosen: {:.3g} ms a layer and microbatch predicted", m.method, m.seconds * 1e3)};
      continue;
    }
    others += std::format("{}{} {:.3g} ms{}", others.empty() ? "; " : ", ", m.method, m.seconds * 1e3,
                          small_enough ? "" : " (above run.memory_limit)");
    ++named;
  }
  if (choice.method.empty()) choice = {ranked.front().method, ranked.front().method + ", though none fits"};
  choice.text += others;
  return choice;
}

}  // namespace

SequenceChoice choose_sequence_method(const TrainConfig& config, const Mesh& mesh, std::int64_t vocabulary) {
  const std::vector<std::string> mixers = expand_mixers(config.model.mixers, config.model.layers);
  if (mesh.shape().sequence == 1 || std::ranges::find(mixers, "attention") == mixers.end()) return {"ring", ""};
  if (mesh.world().is_phantom()) return {"ring", "auto: chosen when the run starts; what follows is for ring"};
  const SpreadLayer layer = layer_of(config, mesh);
  const SequenceAxes axes{mesh.sequence(), mesh.sequence_inner(), mesh.sequence_outer(), mesh.self()};
  const MachineRates rates = measure_rates(layer, axes);
  MemoryPool::instance().release_kept_blocks();  // the run's account begins with nothing
  MemoryPool::instance().reset_peak();
  SequenceChoice choice;
  together(mesh.world(), [&] {
    if (mesh.world().rank() == 0) choice = first_that_fits(config, rank_methods(layer, rates), vocabulary);
  });
  choice.method = mesh.world().broadcast_text(choice.method, 0);
  choice.text = mesh.world().broadcast_text(choice.text, 0);
  return choice;
}

}  // namespace longspan
