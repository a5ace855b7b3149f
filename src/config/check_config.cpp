// What a configuration must fulfil whatever the files and the number of ranks.
#include <algorithm>

#include "base/error.hpp"
#include "config/mixer_pattern.hpp"
#include "config/recompute.hpp"
#include "config/run_config.hpp"
#include "config/value_text.hpp"

namespace longspan {
namespace {

template <class... Args>
void require(bool fulfilled, std::format_string<Args...> sentence, Args&&... args) {
  if (!fulfilled) throw UserError(sentence, std::forward<Args>(args)...);
}

void at_least(const char* key, std::int64_t value, std::int64_t lowest) {
  require(value >= lowest, "{} = {} is too small; use {} or more", key, value, lowest);
}

void positive(const char* key, double value) {
  require(value > 0, "{} = {} is not positive; use a number above 0", key, value);
}

void not_negative(const char* key, double value) {
  require(value >= 0, "{} = {} is negative; use 0 or more", key, value);
}

void probability(const char* key, double value) {
  require(value >= 0 && value < 1, "{} = {} is out of range; use 0 or more and less than 1", key, value);
}

void up_to(const char* key, double value, double highest) {
  require(value >= 0 && value <= highest, "{} = {} is out of range; use a number from 0 to {}", key, value, highest);
}

void check_run(const RunConfig& run) {
  require(!run.directory.empty(), "run.directory is empty; name the folder of all runs");
  require(!run.name.empty() && run.name.find('/') == std::string::npos && run.name != "." && run.name != "..",
          "run.name = '{}' is no name of a folder; write a word without '/'", run.name);
  require(!run.resume.empty(), "run.resume is empty; use auto, never or a checkpoint file");
  at_least("run.steps", run.steps, 1);
  at_least("run.seed", run.seed, 0);
  at_least("run.log_every", run.log_every, 1);
  at_least("run.patience", run.patience, 1);
  at_least("run.check_replicas", run.check_replicas, 0);
  at_least("run.trace", run.trace, 0);
  require(run.trace <= run.steps, "run.trace = {} is after the last step, run.steps = {}; trace an earlier one",
          run.trace, run.steps);
}

void check_model(const ModelConfig& model) {
  at_least("model.layers", model.layers, 1);
  at_least("model.width", model.width, 1);
  at_least("model.heads", model.heads, 1);
  at_least("model.kv_heads", model.kv_heads, 0);
  at_least("model.feed_forward", model.feed_forward, 0);
  at_least("model.window", model.window, 0);
  at_least("model.linformer_rank", model.linformer_rank, 1);
  at_least("model.chunk", model.chunk, 1);
  at_least("model.state_width", model.state_width, 1);
  require(model.width % model.heads == 0,
          "model.width = {} cannot be cut into model.heads = {}; use a width that is a multiple of {}", model.width,
          model.heads, model.heads);
  require(model.heads % model.num_kv_heads() == 0,
          "model.heads = {} cannot share model.kv_heads = {} evenly; use a divisor of {}", model.heads, model.kv_heads,
          model.heads);
  require(model.positions != "rotary" || model.head_width() % 2 == 0,
          "model.positions = rotary needs an even head width, but model.width / model.heads = {} / {} = {}; use "
          "another width or other positions",
          model.width, model.heads, model.head_width());
  positive("model.rotary_base", model.rotary_base);
  positive("model.norm_epsilon", model.norm_epsilon);
  positive("model.init_deviation", model.init_deviation);
  probability("model.dropout", model.dropout);
  layer_mixers(model);
}

void check_parallel(const ParallelConfig& parallel) {
  at_least("parallel.data", parallel.data, 1);
  at_least("parallel.tensor", parallel.tensor, 1);
  at_least("parallel.pipeline", parallel.pipeline, 1);
  at_least("parallel.sequence", parallel.sequence, 1);
  at_least("parallel.microbatches", parallel.microbatches, 1);
  at_least("parallel.virtual_stages", parallel.virtual_stages, 0);
  if (parallel.recompute != "fit") parse_recompute(parallel.recompute);
  require(parallel.zero >= 0 && parallel.zero <= 3, "parallel.zero = {} is no stage of ZeRO; use 0, 1, 2 or 3",
          parallel.zero);
}

void check_shares(const TrainConfig& config) {
  const ModelConfig& model = config.model;
  const ParallelConfig& parallel = config.parallel;
  require(model.heads % parallel.tensor == 0,
          "model.heads = {} cannot be shared by parallel.tensor = {} ranks; use a divisor of {}", model.heads,
          parallel.tensor, model.heads);
  require(model.num_kv_heads() % parallel.tensor == 0,
          "model.kv_heads = {} cannot be shared by parallel.tensor = {} ranks; use a divisor of {}",
          model.num_kv_heads(), parallel.tensor, model.num_kv_heads());
  require(model.feed_forward_width() >= parallel.tensor,
          "model.feed_forward = {} is less than parallel.tensor = {}; each rank needs a column",
          model.feed_forward_width(), parallel.tensor);
  require(model.layers >= parallel.pipeline,
          "model.layers = {} is less than parallel.pipeline = {}; each stage needs a layer", model.layers,
          parallel.pipeline);
  require(
      model.layers / parallel.pipeline >= parallel.virtual_stages,
      "model.layers = {} is less than parallel.pipeline = {} times parallel.virtual_stages = {}; each chunk needs a "
      "layer",
      model.layers, parallel.pipeline, parallel.virtual_stages);
  require(
      config.data.batch % parallel.data == 0 && config.data.batch / parallel.data % parallel.microbatches == 0,
      "data.batch = {} cannot be cut into parallel.data = {} times parallel.microbatches = {} parts; use a multiple "
      "of their product",
      config.data.batch, parallel.data, parallel.microbatches);
}

void check_objective(const TrainConfig& config) {
  const ObjectiveConfig& objective = config.objective;
  require(
      objective.kind != "next_token" || config.model.causal,
      "objective.kind = next_token needs model.causal = true: a bidirectional model would read the token that it is "
      "asked for; use objective.kind = masked_token or a causal model");
  require(
      objective.kind != "masked_token" || !config.model.causal,
      "objective.kind = masked_token needs model.causal = false: a causal model would not read what follows a hidden "
      "token; use objective.kind = next_token or a bidirectional model");
  probability("objective.label_smoothing", objective.label_smoothing);
  not_negative("objective.z_loss", objective.z_loss);
  require(objective.masked_fraction > 0 && objective.masked_fraction <= 1,
          "objective.masked_fraction = {} is out of range; use a number above 0 and at most 1",
          objective.masked_fraction);
}

// What a layer's way across the sequence axis asks of the sizes.
void check_sequence_method(const TrainConfig& config, const std::string& method, const LayerMixer& mixer) {
  require(std::ranges::count(sequence_method_names(), method) == 1,
          "parallel.sequence_method names '{}', which does not exist; use auto or {}", method,
          listed(sequence_method_names()));
  if (mixer.kind != "attention" || config.parallel.sequence == 1) return;
  require(
      method != "window" || mixer.window > 0,
      "parallel.sequence_method = window needs a sliding window in every layer that has it; set model.window, write "
      "attention:512 in model.mixers, or use another method");
  const ParallelConfig& parallel = config.parallel;
  const std::int64_t heads = config.model.heads / parallel.tensor;
  const std::int64_t sharers = method == "ulysses"        ? parallel.sequence
                               : method == "ulysses_ring" ? std::max<std::int64_t>(1, parallel.sequence_inner)
                                                          : 1;
  require(sharers <= heads,
          "parallel.sequence_method = {} cannot share {} heads (model.heads / parallel.tensor) among {} ranks; use "
          "ulysses_ring with parallel.sequence_inner of at most {}, or another method",
          method, heads, sharers, heads);
}

void check_sequence_method(const TrainConfig& config) {
  const ParallelConfig& parallel = config.parallel;
  at_least("parallel.sequence_inner", parallel.sequence_inner, 0);
  require(parallel.sequence_inner == 0 || parallel.sequence % parallel.sequence_inner == 0,
          "parallel.sequence_inner = {} does not divide parallel.sequence = {}; use a divisor, or 0 to have one chosen",
          parallel.sequence_inner, parallel.sequence);
  if (parallel.sequence_method == "auto") return;
  const std::vector<LayerMixer> mixers = layer_mixers(config.model);
  const std::vector<std::string> methods =
      expand_pattern("parallel.sequence_method", parallel.sequence_method, config.model.layers);
  for (std::size_t layer = 0; layer < mixers.size(); ++layer) {
    check_sequence_method(config, methods[layer], mixers[layer]);
  }
}
void check_optimizer(const OptimizerConfig& optimizer) {
  positive("optimizer.learning_rate", optimizer.learning_rate);
  at_least("optimizer.warmup", optimizer.warmup, 0);
  up_to("optimizer.final_fraction", optimizer.final_fraction, 1);
  probability("optimizer.beta1", optimizer.beta1);
  probability("optimizer.beta2", optimizer.beta2);
  positive("optimizer.epsilon", optimizer.epsilon);
  not_negative("optimizer.weight_decay", optimizer.weight_decay);
  not_negative("optimizer.clip", optimizer.clip);
}

void check_load(const TrainConfig& config) {
  const std::string &file = config.checkpoint.load, &resume = config.run.resume;
  require(
      file.empty() || resume == "auto" || resume == "never",
      "checkpoint.load = {} and run.resume = {} exclude each other: the run goes on with all that it had; leave one "
      "of them out",
      file, resume);
  require(!file.empty() || config.checkpoint.load_only == "*",
          "checkpoint.load_only = {} needs a checkpoint; name it with checkpoint.load", config.checkpoint.load_only);
}

}  // namespace

void check(const TrainConfig& config) {
  check_run(config.run);
  check_model(config.model);
  check_parallel(config.parallel);
  at_least("data.sequence_length", config.data.sequence_length, 1);
  at_least("data.batch", config.data.batch, 1);
  require(config.data.task == "none" || config.data.corpus.empty(),
          "data.task = {} and data.corpus = {} exclude each other; leave one of them out", config.data.task,
          config.data.corpus);
  check(config.task, config.data.task, config.data.sequence_length);
  up_to("data.validation_fraction", config.data.validation_fraction, 0.5);
  check_objective(config);
  check_shares(config);
  check_sequence_method(config);
  require(config.parallel.recompute != "fit" || config.run.memory_limit > 0,
          "parallel.recompute = fit needs a limit to fit; set run.memory_limit or use none, selective, linear or block");
  check_optimizer(config.optimizer);
  at_least("checkpoint.every", config.checkpoint.every, 0);
  at_least("checkpoint.keep", config.checkpoint.keep, 0);
  at_least("checkpoint.keep_every", config.checkpoint.keep_every, 0);
  check_load(config);
  at_least("validation.every", config.validation.every, 0);
  at_least("validation.sequences", config.validation.sequences, 1);
}

}  // namespace longspan
