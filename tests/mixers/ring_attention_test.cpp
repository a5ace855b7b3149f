// The ring over all ranks of the test against one rank that holds the whole sequence, and its counted bytes against the
// closed forms.
#include "mixers/ring_attention.hpp"

#include <gtest/gtest.h>

#include "comm/counters.hpp"
#include "layout/volume.hpp"
#include "nn/context.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

struct Ring {
  std::int64_t B = 2, H = 4, Hk = 2, T = 13, K = 4;
  MaskRule mask = {};
  std::vector<std::vector<std::int64_t>> documents = {};
  bool alibi = false;
  double dropout = 0;
  ShardKind kind = ShardKind::zigzag;
  Dtype dtype = Dtype::float64;
};

// Rows of [outer, T, K] at the shard's positions, T being the second last dimension.
Tensor local(const Values& all, const Ring& r, std::int64_t outer, std::int64_t heads, const SequenceShard& shard) {
  Values mine;
  for (std::int64_t i = 0; i < outer * heads; ++i) {
    for (const std::int64_t t : shard.positions()) {
      const auto row = all.begin() + (i * r.T + t) * r.K;
      mine.insert(mine.end(), row, row + r.K);
    }
  }
  return to_tensor(mine, {outer, heads, shard.local_length(), r.K}, r.dtype);
}

ops::AttentionRules make_rules(const Ring& r, const SequenceShard& shard) {
  const Visibility visible = make_visibility(r.mask, shard, r.B, r.documents);
  ops::AttentionRules rules;
  rules.scale = 0.5;
  rules.query_runs = shard.runs();
  rules.visible_begin = visible.begin;
  rules.visible_end = visible.end;
  if (r.alibi) rules.alibi_slopes = tensor_as<double>({0.5, 0.25, 0.125, 0.0625}, {r.H});
  rules.dropout = r.dropout;
  rules.dropout_key = 77;
  return rules;
}

struct Outcome {
  Tensor o, dq, dkv;
  std::int64_t forward_bytes = 0, backward_bytes = 0;
};

Outcome run(const Ring& r, const Comm& axis) {
  const SequenceShard shard(r.kind, r.T, axis.size(), axis.rank());
  const Variable q(local(random_values(r.B * r.H * r.T * r.K, 1), r, r.B, r.H, shard));
  const Variable kv(local(random_values(2 * r.B * r.Hk * r.T * r.K, 2), r, 2 * r.B, r.Hk, shard));
  const auto bytes = [&axis] { return CommCounters::instance().of_group(axis.name()).bytes; };
  const std::int64_t start = bytes();
  Tape tape;
  const Variable o = ring_attention(tape, make_rules(r, shard), q, kv, shard, axis);
  const std::int64_t middle = bytes();
  o.set_gradient(local(random_values(r.B * r.H * r.T * r.K, 3), r, r.B, r.H, shard));
  tape.backward();
  return {o.value(), q.gradient(), kv.gradient(), middle - start, bytes() - middle};
}

Comm sequence_axis() { return world().split("sequence", 0, world().rank()); }

void expect_like_one_rank(Ring r) {
  for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    r.kind = kind;
    const Outcome one = run(r, world().split("self", world().rank(), 0)), many = run(r, sequence_axis());
    const SequenceShard shard(kind, r.T, world().size(), world().rank());
    const auto expect = [&](const char* what, const Tensor& part, const Tensor& whole) {
      const Values mine = to_values(local(to_values(whole), r, whole.dim(0), whole.dim(1), shard));
      EXPECT_LT(distance(to_values(part), mine), 1e-12) << what << " " << to_string(kind);
    };
    expect("o", many.o, one.o);
    expect("dq", many.dq, one.dq);
    expect("dkv", many.dkv, one.dkv);
  }
}

TEST(RingAttention, Causal) { expect_like_one_rank({}); }
TEST(RingAttention, SlidingWindow) { expect_like_one_rank({.mask = {.causal = true, .window = 4}}); }
TEST(RingAttention, Bidirectional) { expect_like_one_rank({.mask = {.causal = false}}); }
TEST(RingAttention, Documents) { expect_like_one_rank({.documents = {{0, 5, 6}, {3, 11}}}); }
TEST(RingAttention, DocumentsInAWindow) {
  expect_like_one_rank({.mask = {.causal = true, .window = 3}, .documents = {{0, 5, 6}, {3, 11}}});
}
TEST(RingAttention, OneKeyHeadForAllQueries) { expect_like_one_rank({.Hk = 1}); }
TEST(RingAttention, AsManyKeyHeadsAsQueries) { expect_like_one_rank({.Hk = 4}); }
TEST(RingAttention, AlibiBias) { expect_like_one_rank({.alibi = true}); }
TEST(RingAttention, DropoutDrawsTheSameMask) { expect_like_one_rank({.dropout = 0.3}); }
TEST(RingAttention, FewerTokensThanRanks) {
  expect_like_one_rank({.T = 1});
  expect_like_one_rank({.T = 3});
}

TEST(RingAttention, PutsExactlyTheClosedFormsOnTheWire) {
  const Comm axis = sequence_axis();
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
      const Ring r{.kind = kind, .dtype = dtype};
      const SequenceShard shard(kind, r.T, axis.size(), axis.rank());
      const std::int64_t per_token = 2 * r.B * r.Hk * r.K;
      const auto element = static_cast<std::int64_t>(size_of(dtype));
      const auto sum_element = static_cast<std::int64_t>(size_of(accumulation_dtype(dtype)));
      const RingBackwardElements backward = ring_backward_elements(shard, per_token);
      const Outcome outcome = run(r, axis);
      EXPECT_EQ(outcome.forward_bytes, element * ring_forward_elements(shard, per_token)) << to_string(kind);
      EXPECT_EQ(outcome.backward_bytes, element * backward.key_values + sum_element * backward.gradients);
    }
  }
}

TEST(RingAttention, SendsOneMessageAStep) {
  const Comm axis = sequence_axis();
  const auto sends = [&axis] { return CommCounters::instance().of(axis.name(), "send").calls; };
  const std::int64_t before = sends();
  run({}, axis);
  const int S = axis.size();
  EXPECT_EQ(sends() - before, S == 1 ? 0 : (S - 1) + (S - 1) + S);
}

}  // namespace
}  // namespace longspan::testing
