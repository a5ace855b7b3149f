// Deterministic batches of packed documents. The training part of the corpus is cut into windows of T + 1 tokens (each
// shares one token with the next); in each epoch they come in an order that is a permutation computed from (seed,
// epoch), without a table. Sequence i of the run (i = step * batch + b), masks included, is a pure function of (seed, i):
// a resumed run and every mesh see the same data. A rank reads only its own data coordinate's sequences and keeps only its sequence
// shard's positions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/run_config.hpp"
#include "data/masked_tokens.hpp"
#include "data/token_store.hpp"
#include "layout/sequence_shard.hpp"
#include "tensor/tensor.hpp"

namespace longspan {

// One microbatch on one rank: B sequences, the local T_local positions of each.
struct Microbatch {
  Tensor tokens;   // int32 [B, T_local]
  // int32 [B, T_local]. next_token: the token at the next position, which a window of T + 1 tokens has for each.
  // masked_token: the original token where one is asked for, -1 elsewhere.
  Tensor targets;
  std::int64_t valid_targets = 0;   // of this rank
  std::int64_t first_sequence = 0;  // global number of sequence 0 within the step's batch
  // [B]: 0, then where documents start strictly inside the window (0 < start < T), relative to its start, ascending.
  std::vector<std::vector<std::int64_t>> document_starts;
};

struct LoaderSettings {
  std::int64_t sequence_length = 0;  // T
  std::int64_t batch = 0;            // sequences a step over all data ranks
  std::int64_t microbatches = 1;     // per data rank and step; batch % (data ranks * microbatches) == 0
  int data_ranks = 1, data_rank = 0;
  std::uint64_t seed = 1;
  double validation_fraction = 0;  // of the windows, the last ones; above 0: at least one window
  ObjectiveConfig objective;
};

class Loader {
 public:
  // UserError where the corpus is too small for one window of each part.
  Loader(std::shared_ptr<const TokenStore> store, const LoaderSettings& settings, const SequenceShard& shard);

  // Microbatch m of a training step. Data rank d of D owns sequences [batch d/D, batch (d+1)/D) of the step.
  Microbatch training(std::int64_t step, std::int64_t microbatch) const;
  // Validation windows in order, from the end of the corpus: sequences [first, first + count). Every call of every run
  // masks the same tokens.
  Microbatch validation(std::int64_t first, std::int64_t count) const;

  std::int64_t training_windows() const;
  std::int64_t validation_windows() const;

 private:
  // Windows whose sequences have the numbers first_number, first_number + 1, ... under the key of the masks.
  Microbatch window_batch(const std::vector<std::int64_t>& windows, std::int64_t first_number,
                          std::uint64_t mask_key) const;

  std::shared_ptr<const TokenStore> store_;
  LoaderSettings settings_;
  SequenceShard shard_;
  std::int64_t training_windows_ = 0, validation_windows_ = 0;
};

// The i-th element of a pseudo-random permutation of [0, n): a Feistel network with cycle walking.
std::int64_t permuted(std::int64_t i, std::int64_t n, std::uint64_t key);

}  // namespace longspan
