// One attention layer over all ranks of a test, for any method, against one rank that holds the whole sequence.
#pragma once

#include <string>
#include <vector>

#include "comm/counters.hpp"
#include "mixers/sequence/sequence_method.hpp"
#include "nn/context.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {

struct AttentionCase {
  std::int64_t B = 2, H = 4, Hk = 2, T = 13, K = 4;
  MaskRule mask = {};
  std::vector<std::vector<std::int64_t>> documents = {};
  bool alibi = false;
  double dropout = 0;
  double logits = 1;  // scale of the queries
  ShardKind kind = ShardKind::zigzag;
  Dtype dtype = Dtype::float64;

  AttentionSizes sizes() const { return {B, H, Hk, K, dtype}; }
};

struct AttentionOutcome {
  Tensor o, dq, dkv;
  CommCount forward, backward;
};

// Rows of [outer, heads, T, K] at the shard's positions.
inline Tensor local_rows(const Values& all, const AttentionCase& c, std::int64_t outer, std::int64_t heads,
                         const SequenceShard& shard) {
  Values mine;
  for (std::int64_t i = 0; i < outer * heads; ++i) {
    for (const std::int64_t t : shard.positions()) {
      const auto row = all.begin() + (i * c.T + t) * c.K;
      mine.insert(mine.end(), row, row + c.K);
    }
  }
  return to_tensor(mine, {outer, heads, shard.local_length(), c.K}, c.dtype);
}

// The ranks of a test as a sequence axis made of groups of `inner` neighbours.
struct AxisOfWorld {
  Comm all, inner, outer, self;
  explicit AxisOfWorld(const Comm& ranks, int group)
      : all(ranks.split("sequence", 0, ranks.rank())),
        inner(all.split("sequence", all.rank() / group, all.rank())),
        outer(all.split("sequence", all.rank() % group, all.rank())),
        self(all.split("self", all.rank(), 0)) {}
  SequenceAxes axes() const { return {all, inner, outer, self}; }
};

struct AttentionInputs {
  Values q, kv, dout;  // [B, H, T, K], [2 B, Hk, T, K], [B, H, T, K]
};
inline AttentionInputs random_inputs(const AttentionCase& c) {
  AttentionInputs in{random_values(c.B * c.H * c.T * c.K, 1), random_values(2 * c.B * c.Hk * c.T * c.K, 2),
                     random_values(c.B * c.H * c.T * c.K, 3)};
  for (double& x : in.q) x *= c.logits;
  return in;
}

inline AttentionOutcome run_attention(const AttentionCase& c, const AttentionInputs& in, const SequenceMethod& method,
                                      const AxisOfWorld& axis) {
  const SequenceShard shard(c.kind, c.T, axis.all.size(), axis.all.rank());
  const Variable q(local_rows(in.q, c, c.B, c.H, shard)), kv(local_rows(in.kv, c, 2 * c.B, c.Hk, shard));
  ops::AttentionRules rules;
  rules.scale = 0.5;
  if (c.alibi) rules.alibi_slopes = tensor_as<double>({0.5, 0.25, 0.125, 0.0625}, {c.H});
  rules.dropout = c.dropout;
  rules.dropout_key = 77;
  Tape tape;
  const AttentionLayer layer{tape, axis.axes(), shard, c.mask, c.B, c.documents, std::make_shared<VisibilityCache>(),
                             rules};
  const auto count = [] { return CommCounters::instance().of_group("sequence"); };
  const auto since = [&](const CommCount& before) {
    return CommCount{count().calls - before.calls, count().bytes - before.bytes};
  };
  AttentionOutcome outcome;
  const CommCount start = count();
  const Variable o = method.attend(layer, q, kv);
  outcome.forward = since(start);
  const CommCount middle = count();
  o.set_gradient(local_rows(in.dout, c, c.B, c.H, shard));
  tape.backward();
  outcome.backward = since(middle);
  outcome.o = o.value();
  outcome.dq = q.gradient();
  outcome.dkv = kv.gradient();
  return outcome;
}

}  // namespace longspan::testing
