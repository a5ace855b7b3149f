// Everything that a configuration, a corpus and a mesh make together: what training and evaluation run on. Whatever a
// user can get wrong is checked before the first tensor is allocated.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "config/run_config.hpp"
#include "data/loader.hpp"
#include "data/token_store.hpp"
#include "models/decoder.hpp"
#include "optim/optimizer.hpp"
#include "pipeline/executor.hpp"

namespace longspan {

MeshShape mesh_shape(const ParallelConfig& parallel);
// parallel.sequence_shard, where auto depends on the mixers.
ShardKind shard_kind(const TrainConfig& config);
ShardKind shard_kind(const std::string& name);  // contiguous, zigzag or striped; UserError for another word

class Session {
 public:
  // Declares the model; allocates nothing. Collective over the world.
  Session(const TrainConfig& config, const Comm& world);
  // The same on a given corpus instead of data.corpus; null where data.task is set.
  Session(const TrainConfig& config, const Comm& world, std::shared_ptr<const TokenStore> corpus);

  // Parameters with their initial values; with `training` also gradients and optimizer states.
  void allocate(bool training);

  const TrainConfig& config() const { return config_; }
  const Mesh& mesh() const { return mesh_; }
  // Null where a task makes up the sequences.
  const TokenStore* corpus() const { return corpus_.get(); }
  std::int64_t vocabulary() const { return loader_->source().vocabulary(); }
  const Loader& loader() const { return *loader_; }
  const Schedule& schedule() const { return schedule_; }
  const Decoder& decoder() const { return *decoder_; }
  ParameterStore& store() { return store_; }
  Optimizer& optimizer() { return *optimizer_; }
  PipelineExecutor& executor() { return *executor_; }
  Dtype dtype() const { return dtype_; }
  // Why parallel.sequence_method is what it is, a sentence for each kind of attention layer; none where the
  // configuration named it.
  const std::vector<std::string>& sequence_choice() const { return sequence_choice_; }
  // Likewise of parallel.recompute = fit.
  const std::string& recompute_choice() const { return recompute_choice_; }

  // Distinct parameters of the whole model.
  std::int64_t parameters() const;
  // Bytes this rank keeps of parameters, gradients and optimizer states. Whole values and gradients that come and go
  // (parallel.zero = 2, 3) are not among them.
  StateBytes state_bytes() const;
  // Means over the targets of the first validation sequences, the same on every rank. Collective.
  struct Validation {
    double loss = 0, accuracy = 0;  // nats a token; share of targets that are the most probable token
  };
  Validation validate();
  // Nats a token to bits a byte of the corpus' text; NaN for a task.
  double bits_per_byte(double loss) const;

 private:
  TrainConfig config_;
  Schedule schedule_;
  int sequence_inner_;
  std::vector<std::string> sequence_choice_;
  std::string recompute_choice_;
  Mesh mesh_;
  Dtype dtype_;
  std::shared_ptr<const TokenStore> corpus_;
  SequenceShard shard_;
  ParameterStore store_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<SequenceContext> sequence_;
  std::unique_ptr<PipelineExecutor> executor_;
};

}  // namespace longspan
