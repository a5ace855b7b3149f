// Batches of a source's sequences: sequence i of the run (i = step * batch + b) belongs to one data rank, which keeps
// only its sequence shard's positions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/sequence_source.hpp"
#include "layout/sequence_shard.hpp"
#include "tensor/tensor.hpp"

namespace longspan {

// One microbatch on one rank: B sequences, the local T_local positions of each.
struct Microbatch {
  Tensor tokens;                                           // int32 [B, T_local]
  Tensor targets;                                          // int32 [B, T_local]; kNoTarget where none
  std::int64_t valid_targets = 0;                          // of this rank
  std::int64_t first_sequence = 0;                         // global number of sequence 0 within the step's batch
  std::vector<std::vector<std::int64_t>> document_starts;  // [B], as in Sequence
};

struct LoaderSettings {
  std::int64_t batch = 0;         // sequences a step over all data ranks
  std::int64_t microbatches = 1;  // per data rank and step; batch % (data ranks * microbatches) == 0
  int data_ranks = 1, data_rank = 0;
};

class Loader {
 public:
  Loader(std::shared_ptr<const SequenceSource> source, const LoaderSettings& settings, const SequenceShard& shard);

  // Microbatch m of a training step. Data rank d of D owns sequences [batch d/D, batch (d+1)/D) of the step.
  Microbatch training(std::int64_t step, std::int64_t microbatch) const;
  // Validation sequences [first, first + count).
  Microbatch validation(std::int64_t first, std::int64_t count) const;

  const SequenceSource& source() const { return *source_; }

 private:
  Microbatch batch_of(const std::vector<Sequence>& sequences, std::int64_t first) const;

  std::shared_ptr<const SequenceSource> source_;
  LoaderSettings settings_;
  SequenceShard shard_;
};

}  // namespace longspan
