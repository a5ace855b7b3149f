#include "config/run_config.hpp"

#include <format>

#include "config/value_text.hpp"

namespace longspan {

const std::vector<std::string>& sequence_method_names() {
  static const std::vector<std::string> names = {
      "ring",    "bidirectional_ring", "double_ring",  "tokenring", "rsa", "rsa_reduce_scatter",
      "ulysses", "ulysses_ring",       "allgather_kv", "window"};
  return names;
}

void bind(Options& options, RunConfig& config) {
  options.add("run.directory", config.directory, "Folder of all runs.")
      .add("run.name", config.name, "Folder of this run inside run.directory.")
      .add("run.steps", config.steps, "Optimizer steps of the whole run.")
      .add("run.seed", config.seed, "Seed of initial weights, data order and dropout.")
      .add_choice("run.dtype", config.dtype, {"float64", "float32", "bfloat16"},
                  "Precision of activations; bfloat16 keeps float32 weights and sums.")
      .add("run.resume", config.resume,
           "auto: from the newest checkpoint of the run, if any; never; or a checkpoint file.")
      .add_bytes("run.memory_limit", config.memory_limit,
                 "Tensor memory a rank may hold, bytes (512M, 8G); 0: no limit.")
      .add("run.log_every", config.log_every, "Steps between two lines of the log.")
      .add("run.patience", config.patience,
           "Steps in a row without a finite loss and gradient norm, each skipped, that end the run.")
      .add("run.check_replicas", config.check_replicas,
           "Steps between two comparisons of the parameters that several ranks hold; a difference, from damaged memory "
           "or "
           "network, ends the run with the rank's number; 0: never.")
      .add_seconds("run.stop_within", config.stop_within,
                   "Time after a stop signal in which the step must end and the checkpoint be written; then the rank "
                   "says so and ends, and the run goes on from the checkpoint before. 0s: as long as it takes.")
      .add_seconds("run.watchdog", config.watchdog,
                   "Time after which a rank that is not through with a part of its start, a step, a validation, a "
                   "checkpoint or its end says what it waits for and ends, and with it the run; 0s: never.")
      .add(
          "run.trace", config.trace,
          "Step whose pipeline is timed on every rank and written to the run's folder as trace.json (Chrome, Perfetto) "
          "and trace.svg; 0: none.");
}

void bind(Options& options, ParallelConfig& config) {
  options
      .add("parallel.data", config.data,
           "Ranks that share the batch. One of the four axes may be 0: it takes the ranks that the others leave.")
      .add("parallel.tensor", config.tensor, "Ranks that share each layer, by heads and columns.")
      .add("parallel.pipeline", config.pipeline, "Stages that share the layers.")
      .add("parallel.sequence", config.sequence, "Ranks that share each sequence, by positions.")
      .add("parallel.sequence_method", config.sequence_method,
           std::format("How attention crosses the sequence axis: {}; or a pattern of these over the layers, as in "
                       "model.mixers; or auto: for each kind of layer the fastest by this machine's measured rates "
                       "that run.memory_limit allows.",
                       listed(sequence_method_names())))
      .add("parallel.sequence_inner", config.sequence_inner,
           "Neighbours on the sequence axis that share heads (ulysses_ring) or make an inner ring (double_ring), a "
           "divisor of parallel.sequence; 0: chosen.")
      .add_choice("parallel.sequence_shard", config.sequence_shard, {"auto", "contiguous", "zigzag", "striped"},
                  "Which positions a rank of the sequence axis holds; auto: zigzag, which balances causal "
                  "attention, or contiguous where no mixer is that.")
      .add("parallel.schedule", config.schedule,
           "Order of forward and backward in the pipeline: gpipe, 1f1b, interleaved, zb-h1, zb-v, or file:PATH "
           "(docs/schedule_format.md).")
      .add("parallel.virtual_stages", config.virtual_stages,
           "Chunks of the model that each stage holds; 0: 2 for interleaved and zb-v, those of a file, else 1.")
      .add("parallel.stage_layers", config.stage_layers,
           "Layers of each chunk from first to last, as 3,4,4,1; empty: shared by their cost, the head's included.")
      .add("parallel.microbatches", config.microbatches, "Parts of a data rank's batch that run one after the other.")
      .add("parallel.recompute", config.recompute,
           "What is computed again in the backward pass instead of being kept: none; selective, what is cheap (norms, "
           "non-linearities, joined heads); linear, products with weights too, but nothing that grows with the square "
           "of the length; block, all but the inputs of blocks; every:K, so in every K-th block; or fit, the least of "
           "these that run.memory_limit allows.")
      .add("parallel.zero", config.zero,
           "What the data and sequence ranks share instead of each holding all of it (ZeRO): 0 nothing, 1 optimizer "
           "states and master weights, 2 gradients too, 3 parameters too.");
}

void bind(Options& options, DataConfig& config) {
  options.add("data.corpus", config.corpus, "Token store made by longspan-prepare.")
      .add_choice("data.task", config.task, {"none", "mqar", "induction", "copy", "noise", "parity", "modular", "s5"},
                  "Task whose sequences are made up instead of read; its sizes are the [task] keys.")
      .add("data.sequence_length", config.sequence_length, "Tokens a sequence.")
      .add("data.batch", config.batch, "Sequences a step, over all ranks.")
      .add("data.validation_fraction", config.validation_fraction, "Part of the corpus, at its end, for validation.")
      .add("data.mask_documents", config.mask_documents, "Attention and states stay inside a document.");
}

void bind(Options& options, ObjectiveConfig& config) {
  options
      .add_choice("objective.kind", config.kind, {"next_token", "masked_token"},
                  "What a model learns: the next token (causal models) or tokens hidden from it (bidirectional ones).")
      .add("objective.masked_fraction", config.masked_fraction,
           "Part of the tokens that masked_token hides and asks for.")
      .add("objective.label_smoothing", config.label_smoothing,
           "Share of a target that training gives to all words alike; the reported training loss contains it, that of "
           "validation does not.")
      .add("objective.z_loss", config.z_loss,
           "Weight of the squared log-sum-exp of the logits in the training loss, as 1e-4; keeps logits small.");
}

void bind(Options& options, OptimizerConfig& config) {
  options.add("optimizer.learning_rate", config.learning_rate, "Learning rate after the warmup.")
      .add_choice("optimizer.schedule", config.schedule, {"constant", "linear", "cosine"},
                  "Course of the learning rate from the end of the warmup to the last step.")
      .add("optimizer.warmup", config.warmup, "Steps in which the learning rate rises from 0.")
      .add("optimizer.final_fraction", config.final_fraction, "Learning rate at the last step over learning_rate.")
      .add("optimizer.beta1", config.beta1, "Decay of the mean of the gradients a step.")
      .add("optimizer.beta2", config.beta2, "Decay of the mean of their squares a step.")
      .add("optimizer.epsilon", config.epsilon, "Added to the root of the mean square.")
      .add("optimizer.weight_decay", config.weight_decay, "Decoupled decay of matrices; norms and biases have none.")
      .add("optimizer.clip", config.clip, "Largest global gradient norm; 0: no clipping.")
      .add_choice("optimizer.norm", config.norm, {"2", "infinity"},
                  "Norm of the gradient: Euclidean or the largest magnitude.");
}

void bind(Options& options, CheckpointConfig& config) {
  options.add("checkpoint.every", config.every, "Steps between checkpoints; 0: only at the end.")
      .add("checkpoint.keep", config.keep, "Newest checkpoints that are kept; 0: all.")
      .add("checkpoint.keep_every", config.keep_every,
           "Checkpoints of steps that are multiples of this are kept besides; 0: none.")
      .add("checkpoint.asynchronous", config.asynchronous,
           "Training goes on while a checkpoint is written; needs memory for a copy of what the rank writes.")
      .add("checkpoint.load", config.load,
           "Checkpoint file whose parameters a run starts from that has no checkpoint of its own yet.")
      .add("checkpoint.load_only", config.load_only,
           "Names of the parameters that are taken from checkpoint.load, by commas, with * and ?; the others keep "
           "their initial values.");
}

void bind(Options& options, ValidationConfig& config) {
  options.add("validation.every", config.every, "Steps between validations; 0: only at the end.")
      .add("validation.sequences", config.sequences, "Sequences of a validation, over all ranks.");
}

void bind(Options& options, TrainConfig& config) {
  bind(options, config.run);
  bind(options, config.model);
  bind(options, config.parallel);
  bind(options, config.data);
  bind(options, config.objective);
  bind(options, config.task);
  bind(options, config.optimizer);
  bind(options, config.checkpoint);
  bind(options, config.validation);
}

std::string config_text(TrainConfig config) {
  Options options("longspan-train", "");
  bind(options, config);
  return options.resolved();
}

}  // namespace longspan
