#include "train/plan.hpp"

#include <algorithm>
#include <format>
#include <utility>
#include <vector>

#include "comm/together.hpp"
#include "config/mixer_pattern.hpp"
#include "mixers/rnn.hpp"
#include "tensor/device.hpp"
#include "tensor/shape_only.hpp"
#include "train/metrics_writer.hpp"
#include "train/pipeline_config.hpp"
#include "train/progress.hpp"
#include "train/step_account.hpp"

namespace longspan {
namespace {

std::string bytes_text(std::int64_t bytes) { return format_bytes(static_cast<double>(bytes)); }

// Lines of a word and what it says; further lines of the same word are indented.
class Lines {
 public:
  void add(const char* word, const std::string& value) {
    text_ += std::format("{}{:<11}{}", text_.empty() ? "" : "\n", word, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Which stage has which layers, and what the schedule costs.
std::string describe_pipeline(const Session& session) {
  const Schedule& schedule = session.schedule();
  const Decoder& decoder = session.decoder();
  std::string layers;
  for (const Range& chunk : decoder.split().layers) {
    layers += std::format("{}{}", layers.empty() ? "" : ",", chunk.size());
  }
  const double idle =
      planned_bubble(schedule, decoder.split(), decoder.settings(), session.config().data.sequence_length);
  return std::format("{}: {} stages, {} chunks of {} layers, {:.1f} % bubble by FLOPs", schedule.name, schedule.stages,
                     schedule.chunks(), layers, 100 * idle);
}

std::string describe_zero(const Session& session) {
  const std::int64_t zero = session.config().parallel.zero;
  const MeshShape& mesh = session.mesh().shape();
  const int holders = mesh.data * mesh.sequence;
  if (holders == 1) return std::format("stage {}, without effect: no two data or sequence ranks", zero);
  constexpr const char* shared[] = {"", "optimizer states", "optimizer states and gradients",
                                    "optimizer states, gradients and parameters"};
  return std::format("stage {}: {} shared by {} ranks (data x sequence)", zero, shared[zero], holders);
}

// How the recurrent cells among the mixers cross the sequence axis in a microbatch.
void add_cells(Lines& lines, const TrainConfig& config) {
  const MeshShape mesh = mesh_shape(config.parallel);
  if (mesh.sequence == 1) return;
  const std::vector<LayerMixer> mixers = layer_mixers(config.model);
  const std::int64_t batch = config.data.batch / (mesh.data * config.parallel.microbatches);
  for (const ops::RnnCell cell : ops::kRnnCells) {
    if (std::ranges::find(mixers, ops::to_string(cell), &LayerMixer::kind) == mixers.end()) continue;
    const RnnLayer layer =
        rnn_layer(cell, batch, config.model.heads / mesh.tensor, config.model.head_width(),
                  parse_float_dtype(config.run.dtype, "run.dtype"), shard_kind(config) == ShardKind::contiguous);
    const RnnCrossing crossing = choose_rnn_way(layer, mesh.sequence);
    const auto waits = static_cast<double>(mesh.sequence - 1);
    lines.add("sequence",
              crossing.way == RnnWay::exchange
                  ? std::format("{}: rows for heads and back, all to all", ops::to_string(cell))
                  : std::format("{}: states in a relay, {} sequences in {} group{}: ranks wait {:.0f} % of its time",
                                ops::to_string(cell), batch, crossing.groups, crossing.groups == 1 ? "" : "s",
                                100 * waits / (waits + static_cast<double>(crossing.groups))));
  }
}

// What needs neither storage nor other ranks.
Lines describe_work(const Session& session) {
  const TrainConfig& config = session.config();
  const auto parameters = static_cast<double>(session.parameters());
  const double flops =
      session.decoder().training_flops(config.data.sequence_length) * static_cast<double>(config.data.batch);
  const auto tokens = static_cast<double>(config.data.batch * config.data.sequence_length);
  Lines lines;
  lines.add("model",
            std::format("{} layers, width {}, {} heads ({} for keys), feed-forward {}: {} parameters, {}",
                        config.model.layers, config.model.width, config.model.heads, config.model.num_kv_heads(),
                        config.model.feed_forward_width(), format_count(parameters), config.run.dtype));
  lines.add("objective", config.objective.kind == "next_token"
                             ? std::string("the next token, causal")
                             : std::format("masked tokens ({:.3g} % of them), bidirectional",
                                           100 * config.objective.masked_fraction));
  const std::string shard =
      session.mesh().shape().sequence > 1 ? std::format(", sequences {}", to_string(shard_kind(config))) : "";
  lines.add("mesh", std::format("{} = {} ranks, each {}{}", session.mesh().shape().str(), session.mesh().shape().size(),
                                device::description(), shard));
  if (config.parallel.zero > 0) lines.add("zero", describe_zero(session));
  for (const std::string& reason : session.sequence_choice()) lines.add("sequence", reason);
  add_cells(lines, config);
  if (!session.recompute_choice().empty()) lines.add("recompute", session.recompute_choice());
  if (config.parallel.pipeline > 1) lines.add("pipeline", describe_pipeline(session));
  if (const TokenStore* corpus = session.corpus()) {
    const TokenStoreInfo& info = corpus->info();
    lines.add("corpus", std::format("{}: {} tokens in {} documents, {} ({} vocabulary)", corpus->path(),
                                    format_count(static_cast<double>(info.tokens)), info.documents, info.tokenizer,
                                    info.vocabulary));
  } else {
    lines.add("task", std::format("{} ({} vocabulary)", config.data.task, session.vocabulary()));
  }
  lines.add("step",
            std::format("{} sequences of {} tokens in {} microbatches: {} tokens, {:.1f} GFLOP", config.data.batch,
                        config.data.sequence_length, config.parallel.microbatches, format_count(tokens), flops / 1e9));
  const double all = tokens * static_cast<double>(config.run.steps);
  std::string passes;
  if (const TokenStore* corpus = session.corpus()) {
    passes = std::format(", {:.2f} passes over the corpus", all / static_cast<double>(corpus->info().tokens));
  }
  lines.add("run", std::format("{} steps, {} tokens{}", config.run.steps, format_count(all), passes));
  return lines;
}

// One column for each name, right-aligned; a row for each stage.
std::string table_row(const std::string& stage, const std::vector<std::string>& cells) {
  std::string row = std::format("{:>5}", stage);
  for (const std::string& cell : cells) row += std::format("  {:>13}", cell);
  return row;
}

void add_memory(Lines& lines, const std::vector<StepAccount>& stages) {
  lines.add("memory", "peak of the fullest rank of each stage, by category (each at its own time) and of all together");
  std::vector<std::string> cells;
  for (int c = 0; c < kMemoryCategories; ++c) cells.push_back(to_string(static_cast<Memory>(c)));
  cells.push_back("together");
  lines.add("", table_row("stage", cells));
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    cells.clear();
    for (const std::size_t peak : stages[stage].peak) cells.push_back(bytes_text(static_cast<std::int64_t>(peak)));
    cells.push_back(bytes_text(static_cast<std::int64_t>(stages[stage].peak_total)));
    lines.add("", table_row(std::to_string(stage), cells));
  }
}

void add_snapshot(Lines& lines, const std::vector<StepAccount>& stages, const CheckpointConfig& config) {
  if (config.every == 0 || !config.asynchronous) return;
  std::size_t most = 0;
  for (const StepAccount& account : stages) most = std::max(most, account.snapshot);
  lines.add("checkpoint",
            std::format("a copy of up to {} on top while one is written beside training; where it does not "
                        "fit training waits for the writing",
                        bytes_text(static_cast<std::int64_t>(most))));
}

void add_limit(Lines& lines, const std::vector<StepAccount>& stages, std::int64_t limit) {
  if (limit == 0) return;
  std::size_t most = 0;
  for (const StepAccount& account : stages) most = std::max(most, account.peak_total);
  const bool fits = most <= static_cast<std::size_t>(limit);
  lines.add(
      "limit",
      std::format("{} a rank: {}", bytes_text(limit),
                  fits ? "enough"
                       : "too little; use more ranks, a smaller batch, parallel.recompute = block or parallel.zero"));
}

void add_traffic(Lines& lines, const std::vector<StepAccount>& stages) {
  std::vector<std::string> groups;
  for (const char* group : kCountedGroups) {
    const auto sends = [group](const StepAccount& account) { return account.bytes_sent(group) > 0; };
    if (std::ranges::any_of(stages, sends)) groups.push_back(group);
  }
  if (groups.empty()) return lines.add("sent", "nothing: one rank alone");
  lines.add("sent",
            "by that rank in a step, over each group (stage = data x tensor x sequence, replicas = data x sequence, "
            "model = tensor x pipeline)");
  lines.add("", table_row("stage", groups));
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    std::vector<std::string> cells;
    for (const std::string& group : groups) cells.push_back(bytes_text(stages[stage].bytes_sent(group)));
    lines.add("", table_row(std::to_string(stage), cells));
  }
}

std::string dry_run_text(TrainConfig config) {
  const MeshShape mesh = mesh_shape(config.parallel);
  const ShapeOnly scope;
  const Session session(config, Comm::phantom("world", mesh.size(), 0));
  Lines lines = describe_work(session);
  const std::int64_t limit = std::exchange(config.run.memory_limit, 0);  // the plan says by how much it is too small
  std::vector<StepAccount> stages;
  for (int stage = 0; stage < mesh.pipeline; ++stage) {
    stages.push_back(account_fullest_rank(config, stage, session.vocabulary()));
  }
  add_memory(lines, stages);
  add_snapshot(lines, stages, config.checkpoint);
  add_limit(lines, stages, limit);
  add_traffic(lines, stages);
  return lines.text();
}

}  // namespace

std::string describe_plan(const Session& session) {
  Lines lines = describe_work(session);
  const std::int64_t limit = session.config().run.memory_limit;
  const std::int64_t state = session.mesh().world().all_reduce_value(session.state_bytes().all(), Reduce::max);
  lines.add("memory",
            std::format("{} on the fullest rank for parameters, gradients and optimizer; activations come on top{}",
                        bytes_text(state), limit > 0 ? std::format("; limit {}", bytes_text(limit)) : ""));
  return lines.text();
}

std::string describe_dry_run(const TrainConfig& config, const Comm& world) {
  std::string plan;
  together(world, [&] {
    if (world.rank() == 0) plan = dry_run_text(config);
  });
  return plan;
}

}  // namespace longspan
