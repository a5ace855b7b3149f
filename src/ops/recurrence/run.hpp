// What a linear recurrence runs over: one rank's tokens as rows [B, T, heads * width].
#pragma once

#include "ops/recurrence/affine_map.hpp"
#include "ops/recurrence/chunks.hpp"

namespace longspan::ops {

struct RecurrenceSettings {
  std::int64_t heads = 1;      // H
  std::int64_t key_heads = 1;  // of q and k; each serves H / key_heads heads
  std::int64_t chunk = 64;     // C
  double scale = 1;
  bool reversed = false;  // from the last token to the first
  // Chunks of (sequence, head) pairs that are computed together; 0: as many as this machine does best. Changes no
  // result beyond rounding.
  std::int64_t at_once = 0;
};

// log_decay and beta in the accumulation dtype of the others.
struct RecurrenceInput {
  Tensor q, k, v;
  Tensor log_decay;  // [B, T, H G]
  Tensor beta;       // [B, T, H]; undefined without the delta rule
  Tensor documents;  // int32 [B, T] (decay.hpp), in the order of the recurrence
};

// Rows to write gradients to, or to add them to; an undefined tensor asks for none.
struct GradientRows {
  Tensor rows;
  bool accumulate = false;
};
struct RecurrenceGradients {
  GradientRows q, k, v, log_decay, beta;
};

// The whole run in chunks, which are no longer than the run.
ChunkSizes chunk_sizes(const RecurrenceSettings& settings, const RecurrenceInput& input);
AffineMapSizes map_sizes(const RecurrenceSettings& settings, const RecurrenceInput& input);

// Zero for every pair, [R, K, V].
Tensor zero_state(const RecurrenceSettings& settings, const RecurrenceInput& input);

// The run in windows that are computed one at a time: runs[i] are the windows of some (sequence, head) pairs, in the
// order of the recurrence. On a CPU what a window's chunks need stays in the cache; on a GPU there is one window.
std::vector<std::vector<ChunkSizes>> cut_run(const RecurrenceSettings& settings, const RecurrenceInput& input);

}  // namespace longspan::ops
