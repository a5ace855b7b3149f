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
  double scale = 0.5;
  ShardKind kind = ShardKind::zigzag;
  Dtype dtype = Dtype::float64;

  AttentionSizes sizes() const { return {B, H, Hk, K, dtype}; }
};

// A method and the size of its groups of neighbours.
struct Spread {
  std::string method;
  int inner;
};

// All that run on these sizes over so many ranks.
inline std::vector<Spread> spreads(const AttentionCase& c, int ranks) {
  std::vector<Spread> all;
  for (const char* name : {"ring", "bidirectional_ring", "tokenring", "rsa", "rsa_reduce_scatter", "allgather_kv"}) {
    all.push_back({name, 1});
  }
  if (c.mask.window > 0) all.push_back({"window", 1});
  if (c.H >= ranks) all.push_back({"ulysses", 1});
  for (int inner = 1; inner <= ranks; ++inner) {
    if (ranks % inner != 0) continue;
    all.push_back({"double_ring", inner});
    if (inner <= c.H) all.push_back({"ulysses_ring", inner});
  }
  return all;
}

struct AttentionOutcome {
  Tensor o, dq, dkv;
  CommCount forward, backward;
  std::int64_t kept_bytes;  // by the forward for the backward, o among them
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
  rules.scale = c.scale;
  if (c.alibi) rules.alibi_slopes = tensor_as<double>({0.5, 0.25, 0.125, 0.0625}, {c.H});
  rules.dropout = c.dropout;
  rules.dropout_key = 77;
  Tape tape;
  const AttentionLayer layer{.tape = tape,
                             .axes = axis.axes(),
                             .shard = shard,
                             .mask = c.mask,
                             .batch = c.B,
                             .document_starts = c.documents,
                             .visibility = std::make_shared<VisibilityCache>(),
                             .rules = rules};
  const auto count = [] { return CommCounters::instance().of_group("sequence"); };
  const auto since = [&](const CommCount& before) {
    return CommCount{count().calls - before.calls, count().bytes - before.bytes};
  };
  AttentionOutcome outcome;
  layer.rules_for_part(layer.rank());  // visible intervals stay with the microbatch, not with the layer
  const std::size_t held = MemoryPool::instance().total().current;
  const CommCount start = count();
  const Variable o = method.attend(layer, q, kv);
  outcome.kept_bytes = static_cast<std::int64_t>(MemoryPool::instance().total().current - held);
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
