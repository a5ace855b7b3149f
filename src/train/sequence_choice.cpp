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

constexpr std::size_t kCompetitors = 3;  // that a sentence names

using Ranking = std::vector<MethodSeconds>;    // of a kind, the best first
using Combination = std::vector<std::size_t>;  // for each kind a place in its ranking

// A ranking's first is taken for its fastest: it is, or as good as that and simpler.
double seconds_of(const Combination& chosen, const std::vector<Ranking>& rankings,
                  const std::vector<AttentionKind>& kinds) {
  double seconds = 0;
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    const double own = chosen[k] == 0 ? std::ranges::min(rankings[k], {}, &MethodSeconds::seconds).seconds
                                      : rankings[k][chosen[k]].seconds;
    seconds += own * static_cast<double>(kinds[k].layers.size());
  }
  return seconds;
}

// Every way to give each kind a method, the fastest first.
std::vector<Combination> combinations(const std::vector<Ranking>& rankings, const std::vector<AttentionKind>& kinds) {
  std::vector<Combination> all = {{}};
  for (const Ranking& ranking : rankings) {
    std::vector<Combination> longer;
    for (const Combination& c : all) {
      for (std::size_t i = 0; i < ranking.size(); ++i) {
        longer.push_back(c);
        longer.back().push_back(i);
      }
    }
    all = std::move(longer);
  }
  std::ranges::stable_sort(all, {}, [&](const Combination& c) { return seconds_of(c, rankings, kinds); });
  return all;
}

// Layers without attention take their neighbour's name, which keeps the pattern short.
std::string methods_of(const Combination& chosen, const std::vector<Ranking>& rankings,
                       const std::vector<AttentionKind>& kinds, std::size_t layers) {
  std::vector<std::string> names(layers);
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    for (const std::size_t layer : kinds[k].layers) names[layer] = rankings[k][chosen[k]].method;
  }
  std::string last = *std::ranges::find_if(names, [](const std::string& name) { return !name.empty(); });
  for (std::string& name : names) name.empty() ? name = last : last = name;
  return pattern_of(names);
}

// Whether a step of every stage stays within run.memory_limit.
bool fits(TrainConfig config, const std::string& methods, std::int64_t vocabulary) {
  if (config.run.memory_limit == 0) return true;
  config.parallel.sequence_method = methods;
  if (config.parallel.recompute == "fit") config.parallel.recompute = "block";  // chosen next, at most that
  try {
    for (int stage = 0; stage < config.parallel.pipeline; ++stage) account_fullest_rank(config, stage, vocabulary);
  } catch (const EnvironmentError&) {
    return false;
  }
  return true;
}

std::string reason(const Ranking& ranking, std::size_t chosen, bool fitting) {
  std::string text = std::format("{}, chosen: {:.3g} ms a layer and microbatch predicted", ranking[chosen].method,
                                 ranking[chosen].seconds * 1e3);
  if (!fitting) text += ", though nothing fits run.memory_limit";
  std::size_t named = 0;
  for (std::size_t i = 0; i < ranking.size() && (i < chosen || named < kCompetitors); ++i) {
    if (i == chosen) continue;
    text += std::format("{}{} {:.3g} ms{}", named++ == 0 ? "; " : ", ", ranking[i].method, ranking[i].seconds * 1e3,
                        i < chosen ? " (too large for run.memory_limit)" : "");
  }
  return text;
}

std::string text_of(std::int64_t window) {
  return window > 0 ? std::format("layers with a window of {}: ", window) : "layers without a window: ";
}

}  // namespace

std::vector<AttentionKind> attention_kinds(const TrainConfig& config, int inner) {
  const ModelConfig& model = config.model;
  const ParallelConfig& parallel = config.parallel;
  const std::vector<LayerMixer> mixers = layer_mixers(model);
  std::vector<AttentionKind> kinds;
  for (std::size_t layer = 0; layer < mixers.size(); ++layer) {
    if (mixers[layer].kind != "attention") continue;
    const std::int64_t window = mixers[layer].window;
    auto kind = std::ranges::find(kinds, window, [](const AttentionKind& k) { return k.spread.mask.window; });
    if (kind == kinds.end()) {
      kind = kinds.insert(kind, {{.sizes = {.batch = config.data.batch / (parallel.data * parallel.microbatches),
                                            .heads = model.heads / parallel.tensor,
                                            .key_heads = model.num_kv_heads() / parallel.tensor,
                                            .head_width = model.head_width(),
                                            .dtype = parse_float_dtype(config.run.dtype, "run.dtype")},
                                  .mask = {.causal = model.causal, .window = window},
                                  .shard = shard_kind(config),
                                  .length = config.data.sequence_length,
                                  .ranks = static_cast<int>(parallel.sequence),
                                  .inner = inner},
                                 {}});
    }
    kind->layers.push_back(layer);
  }
  return kinds;
}

SequenceChoice choose_by_rates(const TrainConfig& config, const std::vector<AttentionKind>& kinds,
                               const std::vector<MachineRates>& rates, std::int64_t vocabulary) {
  std::vector<Ranking> rankings;
  for (std::size_t k = 0; k < kinds.size(); ++k) rankings.push_back(rank_methods(kinds[k].spread, rates[k]));
  const auto pattern = [&](const Combination& c) {
    return methods_of(c, rankings, kinds, static_cast<std::size_t>(config.model.layers));
  };
  const std::vector<Combination> all = combinations(rankings, kinds);
  const auto first =
      std::ranges::find_if(all, [&](const Combination& c) { return fits(config, pattern(c), vocabulary); });
  const bool fitting = first != all.end();
  const Combination& chosen = fitting ? *first : all.front();
  SequenceChoice choice{.methods = pattern(chosen), .reasons = {}};
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    choice.reasons.push_back((kinds.size() > 1 ? text_of(kinds[k].spread.mask.window) : "") +
                             reason(rankings[k], chosen[k], fitting));
  }
  return choice;
}

SequenceChoice choose_sequence_methods(const TrainConfig& config, const Mesh& mesh, std::int64_t vocabulary) {
  const std::vector<AttentionKind> kinds = attention_kinds(config, mesh.sequence_inner().size());
  if (mesh.shape().sequence == 1 || kinds.empty()) return {"ring", {}};
  if (mesh.world().is_phantom()) return {"ring", {"auto: chosen when the run starts; what follows is for ring"}};
  const SequenceAxes axes{mesh.sequence(), mesh.sequence_inner(), mesh.sequence_outer(), mesh.self()};
  std::vector<MachineRates> rates;
  for (const AttentionKind& kind : kinds) rates.push_back(measure_rates(kind.spread, axes));
  MemoryPool::instance().release_kept_blocks();  // the run's account begins with nothing
  MemoryPool::instance().reset_peak();
  SequenceChoice choice;
  together(mesh.world(), [&] {
    if (mesh.world().rank() == 0) choice = choose_by_rates(config, kinds, rates, vocabulary);
  });
  choice.methods = mesh.world().broadcast_text(choice.methods, 0);
  choice.reasons.resize(kinds.size());
  for (std::string& text : choice.reasons) text = mesh.world().broadcast_text(text, 0);
  return choice;
}

}  // namespace longspan
