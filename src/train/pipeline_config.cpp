#include "train/pipeline_config.hpp"

#include <charconv>
#include <numeric>
#include <sstream>

#include "base/error.hpp"
#include "layout/make_schedule.hpp"
#include "layout/replay.hpp"
#include "layout/schedule_text.hpp"
#include "models/flops.hpp"

namespace longspan {
namespace {

constexpr std::string_view kFile = "file:";

// "3,4,4,1"
std::vector<std::int64_t> parse_sizes(const std::string& text) {
  std::vector<std::int64_t> sizes;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
    if (error != std::errc() || end != word.data() + word.size() || size < 1) {
      throw UserError("parallel.stage_layers = {} has '{}', which is no number of layers; write it as 3,4,4,1", text,
                      word);
    }
    sizes.push_back(size);
  }
  return sizes;
}

std::vector<Range> split_by_hand(const std::string& text, std::int64_t layers, const Schedule& schedule) {
  const std::vector<std::int64_t> sizes = parse_sizes(text);
  if (static_cast<int>(sizes.size()) != schedule.chunks()) {
    throw UserError("parallel.stage_layers = {} has {} numbers for {} chunks ({} stages with {} each); give each one",
                    text, sizes.size(), schedule.chunks(), schedule.stages, schedule.chunks() / schedule.stages);
  }
  const auto sum = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  if (sum != layers) {
    throw UserError("parallel.stage_layers = {} adds up to {} layers, but model.layers = {}", text, sum, layers);
  }
  return split_by_sizes(sizes);
}

}  // namespace

Schedule pipeline_schedule(const ParallelConfig& parallel) {
  const auto stages = static_cast<int>(parallel.pipeline), microbatches = static_cast<int>(parallel.microbatches);
  const auto chunks = static_cast<int>(parallel.virtual_stages);
  if (parallel.schedule.starts_with(kFile)) {
    const Schedule schedule = read_schedule(parallel.schedule.substr(kFile.size()), stages, microbatches);
    if (chunks > 0 && schedule.chunks() != chunks * stages) {
      throw UserError("parallel.virtual_stages = {} asks for {} chunks, but {} has {}; leave it at 0", chunks,
                      chunks * stages, parallel.schedule, schedule.chunks());
    }
    return schedule;
  }
  return make_schedule(parallel.schedule, stages, microbatches,
                       chunks > 0 ? chunks : default_chunks(parallel.schedule));
}

ModelSplit pipeline_split(const TrainConfig& config, const DecoderSettings& settings, const Schedule& schedule) {
  const std::int64_t layers = config.model.layers;
  if (layers < schedule.chunks()) {
    throw UserError(
        "model.layers = {} is less than the {} chunks of parallel.schedule = {} on {} stages; each needs one", layers,
        schedule.chunks(), config.parallel.schedule, schedule.stages);
  }
  if (!config.parallel.stage_layers.empty()) {
    return {schedule.stage_of, split_by_hand(config.parallel.stage_layers, layers, schedule)};
  }
  const ForwardFlops flops = forward_flops(settings, config.data.sequence_length);
  return {schedule.stage_of, split_by_cost(flops.layers, 0, flops.head, schedule.chunks())};
}

double planned_bubble(const Schedule& schedule, const ModelSplit& split, const DecoderSettings& settings,
                      std::int64_t sequence_length) {
  const ForwardFlops flops = forward_flops(settings, sequence_length);
  std::vector<double> cost;  // [chunk]
  for (const Range& layers : split.layers) {
    cost.push_back(std::accumulate(flops.layers.begin() + layers.begin, flops.layers.begin() + layers.end, 0.0));
  }
  cost.back() += flops.head;
  return bubble(replay(schedule, [&](int, const Action& a) {
    return cost[static_cast<std::size_t>(a.chunk)] * (a.kind == ActionKind::backward ? 2 : 1);
  }));
}

}  // namespace longspan
