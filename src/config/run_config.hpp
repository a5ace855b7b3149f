// What a training run needs besides the model: one struct per concern, one sentence per field in run_config.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/model_config.hpp"
#include "config/options.hpp"
#include "config/task_config.hpp"

namespace longspan {

struct RunConfig {
  std::string directory = "runs";
  std::string name = "default";
  std::int64_t steps = 1000;
  std::int64_t seed = 1;
  std::string dtype = "float32";      // float64, float32, bfloat16
  std::string resume = "auto";        // auto, never, or a checkpoint file
  std::int64_t memory_limit = 0;      // bytes a rank; 0: none
  std::int64_t log_every = 1;         // steps
  std::int64_t patience = 10;         // skipped steps in a row that end the run
  std::int64_t check_replicas = 100;  // steps between two comparisons of copies; 0: never
  double watchdog = 1800;             // seconds without progress; 0: off
  double stop_within = 0;             // seconds after a stop signal; 0: as long as it takes
  std::int64_t trace = 0;             // step whose pipeline actions are timed; 0: none
};

// The ways of attention across the sequence axis, the simplest first.
const std::vector<std::string>& sequence_method_names();

struct ParallelConfig {
  std::int64_t data = 1, tensor = 1, pipeline = 1, sequence = 1;  // one may be 0 until fill_free_axis()
  std::string sequence_method = "ring";  // how attention crosses the sequence axis: a pattern over the layers, or auto
  std::int64_t sequence_inner = 0;       // neighbours of ulysses_ring and double_ring; 0: chosen
  std::string sequence_shard = "auto";   // auto, contiguous, zigzag, striped
  std::string schedule = "1f1b";         // gpipe, 1f1b, interleaved, zb-h1, zb-v, file:PATH
  std::int64_t virtual_stages = 0;       // chunks of the model a stage; 0: as the schedule has
  std::string stage_layers;              // layers of each chunk, 3,4,4,1; empty: by their cost
  std::int64_t microbatches = 1;         // per step and data rank
  std::string recompute = "none";        // none, selective, block, every:K, fit (config/recompute.hpp)
  std::int64_t zero = 0;                 // stage of ZeRO, 0 to 3
};

struct DataConfig {
  std::string corpus;                   // token store made by longspan-prepare
  std::string task = "none";            // made-up sequences instead: mqar, induction, copy, parity, modular, s5
  std::int64_t sequence_length = 1024;  // T, tokens
  std::int64_t batch = 8;               // sequences a step, over all ranks
  double validation_fraction = 0.02;    // of the corpus, at its end
  bool mask_documents = true;           // attention stays inside a document
};

struct ObjectiveConfig {
  std::string kind = "next_token";  // next_token, masked_token
  double masked_fraction = 0.15;    // of the positions, to be predicted by masked_token
  double label_smoothing = 0;       // share of a target that goes to all words alike
  double z_loss = 0;                // weight of the squared log-sum-exp of the logits
};

struct OptimizerConfig {
  double learning_rate = 1e-3;
  std::string schedule = "cosine";  // constant, linear, cosine
  std::int64_t warmup = 100;        // steps
  double final_fraction = 0.1;      // of learning_rate, at the last step
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;  // of matrices; norms and biases have none
  double clip = 1.0;          // global gradient norm; 0: off
  std::string norm = "2";     // which: 2 (Euclidean) or infinity (largest magnitude)
};

struct CheckpointConfig {
  std::int64_t every = 0;       // steps; 0: only at the end
  std::int64_t keep = 2;        // newest checkpoints kept; 0: all
  std::int64_t keep_every = 0;  // steps; checkpoints of their multiples are never removed; 0: none
  bool asynchronous = true;     // training goes on while a checkpoint is written
  std::string load;             // checkpoint whose parameters a new run starts from
  std::string load_only = "*";  // patterns of the parameters that are taken from it
};

struct ValidationConfig {
  std::int64_t every = 100;     // steps; 0: only at the end
  std::int64_t sequences = 32;  // over all ranks
};

struct TrainConfig {
  RunConfig run;
  ModelConfig model;
  ParallelConfig parallel;
  DataConfig data;
  ObjectiveConfig objective;
  TaskConfig task;
  OptimizerConfig optimizer;
  CheckpointConfig checkpoint;
  ValidationConfig validation;
};

void bind(Options& options, RunConfig& config);
void bind(Options& options, ParallelConfig& config);
void bind(Options& options, DataConfig& config);
void bind(Options& options, ObjectiveConfig& config);
void bind(Options& options, OptimizerConfig& config);
void bind(Options& options, CheckpointConfig& config);
void bind(Options& options, ValidationConfig& config);
void bind(Options& options, TrainConfig& config);  // all of them

// The whole configuration as a file; reading it back gives the same.
std::string config_text(TrainConfig config);

// Checks that need no file and no ranks (sizes that must divide, ranges); throws UserError. Called after
// apply_preset and before any allocation.
void check(const TrainConfig& config);

}  // namespace longspan
