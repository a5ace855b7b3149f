// What a forward pass knows besides its input: the tape, the mesh, which positions this rank holds, which keys each
// query may see, and the keys of this microbatch's random masks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "autograd/tape.hpp"
#include "base/hash.hpp"
#include "comm/mesh.hpp"
#include "config/recompute.hpp"
#include "layout/mask.hpp"
#include "layout/sequence_shard.hpp"
#include "ops/heads.hpp"
#include "tensor/indices.hpp"

namespace longspan {

struct ContiguousRun;  // nn/contiguous.hpp

// The part that is the same for every microbatch of a run.
struct SequenceContext {
  SequenceShard shard;
  Indices positions;        // [T_local]
  ops::RotaryTable rotary;  // undefined where the model has no rotary positions
  // What recurrences use instead where the shard is not contiguous; null where it is.
  std::shared_ptr<ContiguousRun> contiguous = nullptr;
};
// Row i of the shard stands for global position first_position + its position in the shard (generation continues a
// text).
SequenceContext make_sequence_context(const SequenceShard& shard, std::int64_t first_position = 0);

// Visible key positions [begin, end) of every local query row, [B, T_local].
struct Visibility {
  Indices begin, end;
};
// `document_starts` [B]: documents in each sequence; empty where attention ignores documents.
Visibility make_visibility(const MaskRule& rule, const SequenceShard& shard, std::int64_t batch,
                           const std::vector<std::vector<std::int64_t>>& document_starts);

// The intervals of one microbatch, made once for all layers of a kind: for any mask rule and the rows of any part of
// any cut (methods that move queries need those of other ranks).
class VisibilityCache {
 public:
  // `make` in place of make_visibility shows something else than the mask: a benchmark of messages alone nothing.
  using Make = std::function<Visibility(const MaskRule&, const SequenceShard&, std::int64_t batch,
                                        const std::vector<std::vector<std::int64_t>>& document_starts)>;
  explicit VisibilityCache(Make make = make_visibility) : make_(std::move(make)) {}

  const Visibility& of(const MaskRule& rule, const SequenceShard& rows, std::int64_t batch,
                       const std::vector<std::vector<std::int64_t>>& document_starts);

 private:
  using Key = std::tuple<bool, std::int64_t, int, int>;  // causal, window, parts, part
  Make make_;
  std::map<Key, Visibility> made_;
};

struct Context {
  Tape& tape;
  const Mesh& mesh;
  const SequenceContext& sequence;
  std::int64_t batch = 0;           // B, sequences of this microbatch
  std::int64_t first_sequence = 0;  // global number of sequence 0 within the step
  std::vector<std::vector<std::int64_t>> document_starts;
  std::uint64_t dropout_key = 0;    // of the seed and the step; 0 outside training, where nothing is dropped
  Tensor dropout_rows;              // int64 [rows]: global numbers of the residual rows that this rank holds
  Remake remake = Remake::nothing;  // what is dropped until backward (autograd/remake.hpp)
  std::shared_ptr<VisibilityCache> visibility = std::make_shared<VisibilityCache>();

  bool training() const { return dropout_key != 0; }
};

// The same context on another tape (a segment that is computed again).
inline Context with_tape(const Context& c, Tape& tape) {
  return {tape,          c.mesh,         c.sequence, c.batch,     c.first_sequence, c.document_starts,
          c.dropout_key, c.dropout_rows, c.remake,   c.visibility};
}

// Global number of every local row, (first_sequence + b) * T + position: what dropout counts by.
Tensor make_dropout_rows(const SequenceShard& shard, std::int64_t batch, std::int64_t first_sequence);

}  // namespace longspan
