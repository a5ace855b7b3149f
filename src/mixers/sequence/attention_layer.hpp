// One attention layer of one microbatch, as the methods see it that spread it over the sequence axis.
#pragma once

#include <memory>
#include <vector>

#include "autograd/tape.hpp"
#include "comm/comm.hpp"
#include "layout/mask.hpp"
#include "layout/sequence_shard.hpp"
#include "nn/context.hpp"
#include "ops/attention.hpp"

namespace longspan {

// The ranks that share a sequence: rank r of `all` holds part r of the shard. They are made of groups of neighbours.
struct SequenceAxes {
  const Comm& all;
  const Comm& inner;  // this rank's neighbours
  const Comm& outer;  // the ranks at its place in the other groups
  const Comm& self;   // this rank alone
};

struct AttentionLayer {
  Tape& tape;
  SequenceAxes axes;
  SequenceShard shard;  // part() is this rank's
  MaskRule mask;
  std::int64_t batch = 0;                                  // B
  std::vector<std::vector<std::int64_t>> document_starts;  // [B], or empty: no documents
  std::shared_ptr<VisibilityCache> visibility;
  bool round_key_gradients = true;  // to the dtype of kv; false where parts of them are still to be summed
  ops::AttentionRules rules;        // scale, bias and dropout; which rows and what they see comes from rules_for_part

  const Comm& axis() const { return axes.all; }
  int size() const { return axes.all.size(); }
  int rank() const { return axes.all.rank(); }

  // The rules for the query rows of any part, or for rows [first_row, n) of them.
  ops::AttentionRules rules_for_part(int part, std::int64_t first_row = 0) const;
};

// Keys and values travel in one tensor kv [2 B, Hk, T, K]: all keys, then all values.
inline Tensor keys(const Tensor& kv) { return kv.slice(0, kv.dim(0) / 2); }
inline Tensor values(const Tensor& kv) { return kv.slice(kv.dim(0) / 2, kv.dim(0) / 2); }

}  // namespace longspan
