// Every method over all ranks of the test against one rank that holds the whole sequence: outputs, gradients, bytes.
#include "mixers/sequence/sequence_method.hpp"

#include <gtest/gtest.h>

#include "layout/sequence_groups.hpp"
#include "mixers/attention_case.hpp"

namespace longspan::testing {
namespace {

AttentionOutcome run_on_one_rank(const AttentionCase& c, const AttentionInputs& in) {
  const AxisOfWorld alone(world().split("self", world().rank(), 0), 1);
  return run_attention(c, in, *make_sequence_method("ring", 1, 1), alone);
}

void expect_like_one_rank(AttentionCase c, const AttentionInputs& in, double tolerance = 1e-11) {
  const AttentionOutcome one = run_on_one_rank(c, in);
  for (const Spread& spread : spreads(c, world().size())) {
    const AxisOfWorld axis(world(), spread.inner);
    const auto method = make_sequence_method(spread.method, world().size(), spread.inner);
    for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
      c.kind = kind;
      const AttentionOutcome many = run_attention(c, in, *method, axis);
      const SequenceShard shard(kind, c.T, world().size(), world().rank());
      const auto expect = [&](const char* what, const Tensor& part, const Tensor& whole) {
        const Values mine = to_values(local_rows(to_values(whole), c, whole.dim(0), whole.dim(1), shard));
        EXPECT_LT(distance(to_values(part), mine), tolerance)
            << what << " " << spread.method << " in groups of " << spread.inner << ", " << to_string(kind);
      };
      expect("o", many.o, one.o);
      expect("dq", many.dq, one.dq);
      expect("dkv", many.dkv, one.dkv);

      const Traffic traffic = method->traffic(c.sizes(), c.mask, shard);
      EXPECT_EQ(many.forward.bytes, traffic.forward_bytes) << spread.method << spread.inner << to_string(kind);
      EXPECT_EQ(many.backward.bytes, traffic.backward_bytes) << spread.method << spread.inner << to_string(kind);
    }
  }
}

void expect_like_one_rank(const AttentionCase& c) { expect_like_one_rank(c, random_inputs(c)); }

TEST(SequenceMethod, Causal) { expect_like_one_rank({}); }
TEST(SequenceMethod, SlidingWindow) { expect_like_one_rank({.mask = {.causal = true, .window = 4}}); }
TEST(SequenceMethod, WindowWiderThanAShard) { expect_like_one_rank({.mask = {.causal = true, .window = 9}}); }
TEST(SequenceMethod, Bidirectional) { expect_like_one_rank({.mask = {.causal = false}}); }
TEST(SequenceMethod, BidirectionalWindow) { expect_like_one_rank({.mask = {.causal = false, .window = 3}}); }
TEST(SequenceMethod, Documents) { expect_like_one_rank({.documents = {{0, 5, 6}, {3, 11}}}); }
TEST(SequenceMethod, BidirectionalDocuments) {
  expect_like_one_rank({.mask = {.causal = false}, .documents = {{0, 5, 6}, {3, 11}}});
}
TEST(SequenceMethod, DocumentsInAWindow) {
  expect_like_one_rank({.mask = {.causal = true, .window = 3}, .documents = {{0, 5, 6}, {3, 11}}});
}
TEST(SequenceMethod, OneKeyHeadForAllQueries) { expect_like_one_rank({.Hk = 1}); }
TEST(SequenceMethod, AsManyKeyHeadsAsQueries) { expect_like_one_rank({.Hk = 4}); }
TEST(SequenceMethod, UnevenHeads) { expect_like_one_rank({.H = 9, .Hk = 3}); }
TEST(SequenceMethod, AlibiBias) { expect_like_one_rank({.alibi = true}); }
TEST(SequenceMethod, DropoutDrawsTheSameMask) { expect_like_one_rank({.dropout = 0.3}); }
TEST(SequenceMethod, LargeLogits) { expect_like_one_rank({.logits = 1e3}); }
TEST(SequenceMethod, LongerThanATile) { expect_like_one_rank({.B = 1, .H = 2, .Hk = 1, .T = 401}); }
TEST(SequenceMethod, FewerTokensThanRanks) {
  expect_like_one_rank({.T = 1});
  expect_like_one_rank({.T = 3});
  expect_like_one_rank({.T = 3, .mask = {.causal = true, .window = 2}});
}
TEST(SequenceMethod, SevenTokens) { expect_like_one_rank({.T = 7}); }

// The text ends before the last rank's positions; what follows has no targets, hence no gradient.
TEST(SequenceMethod, ARankWhoseTokensAreAllPadding) {
  const std::int64_t T = 13, ranks = world().size();
  const std::int64_t end = ranks == 1 ? 6 : T - split(T, ranks, ranks - 1).size();
  for (const bool causal : {true, false}) {
    const AttentionCase c{.T = T, .mask = {.causal = causal}, .documents = {{0, end}, {0, 3, end}}};
    AttentionInputs in = random_inputs(c);
    const auto clear_padding = [&](Values& x) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (static_cast<std::int64_t>(i) / c.K % T >= end) x[i] = 0;
      }
      return x;
    };
    clear_padding(in.dout);
    expect_like_one_rank(c, in);
    const AttentionOutcome one = run_on_one_rank(c, in);
    Values dq = to_values(one.dq), dkv = to_values(one.dkv);
    EXPECT_EQ(to_values(one.dq), clear_padding(dq));
    EXPECT_EQ(to_values(one.dkv), clear_padding(dkv));
  }
}

// One message a step on the ring; collectives count as one.
TEST(SequenceMethod, SendsAsManyMessagesAsTheClosedFormSays) {
  const AttentionCase c{.mask = {.causal = true, .window = 5}};
  const AttentionInputs in = random_inputs(c);
  for (const Spread& spread : spreads(c, world().size())) {
    const AxisOfWorld axis(world(), spread.inner);
    const auto method = make_sequence_method(spread.method, world().size(), spread.inner);
    const auto sends = [] {
      std::int64_t calls = 0;
      for (const auto& [name, count] : CommCounters::instance().all()) {
        if (name.first == "sequence" && name.second != "receive") calls += count.calls;
      }
      return calls;
    };
    const std::int64_t before = sends();
    run_attention(c, in, *method, axis);
    const Traffic t = method->traffic(c.sizes(), c.mask, SequenceShard(c.kind, c.T, world().size(), world().rank()));
    EXPECT_EQ(sends() - before, t.forward_messages + t.backward_messages) << spread.method << spread.inner;
  }
}

TEST(SequenceMethod, CountsBytesInEveryPrecision) {
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16}) {
    AttentionCase c{.mask = {.causal = true, .window = 5}, .dtype = dtype};
    const AttentionInputs in = random_inputs(c);
    for (const Spread& spread : spreads(c, world().size())) {
      const AxisOfWorld axis(world(), spread.inner);
      const auto method = make_sequence_method(spread.method, world().size(), spread.inner);
      const AttentionOutcome outcome = run_attention(c, in, *method, axis);
      const Traffic t = method->traffic(c.sizes(), c.mask, SequenceShard(c.kind, c.T, world().size(), world().rank()));
      EXPECT_EQ(outcome.forward.bytes, t.forward_bytes) << spread.method;
      EXPECT_EQ(outcome.backward.bytes, t.backward_bytes) << spread.method;
    }
  }
}

// o, and the weights of complete rows or their log-sum-exp.
TEST(SequenceMethod, RingSelfAttentionKeepsTheRowsOfWeightsThatItSays) {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    const AttentionCase c{.T = 37, .dropout = 0.2, .dtype = dtype};
    const AxisOfWorld axis(world(), 1);
    const std::int64_t rows = SequenceShard(c.kind, c.T, world().size(), world().rank()).local_length();
    for (const char* name : {"ring", "rsa", "rsa_reduce_scatter"}) {
      const auto method = make_sequence_method(name, world().size(), 1);
      const bool complete = std::string(name) != "ring";
      EXPECT_EQ(method->kept_scores(c.T), complete ? c.T : 0);
      const AttentionSizes s = c.sizes();
      const std::int64_t statistics = complete ? s.row_token() * c.T * s.element() : s.row_token() * s.sum_element();
      const std::int64_t exact = rows * (s.query_token() * s.element() + statistics);
      const std::int64_t kept = run_attention(c, random_inputs(c), *method, axis).kept_bytes;
      EXPECT_GE(kept, exact) << name << " " << to_string(dtype);
      EXPECT_LE(kept, exact + exact / 8 + 2 * 64) << name << " " << to_string(dtype);  // rounding of blocks by the pool
    }
  }
}

TEST(SequenceMethod, TheWorkOfAllRanksAddsUpToOne) {
  const AttentionCase c{.T = 37};
  for (const Spread& spread : spreads(c, world().size())) {
    const auto method = make_sequence_method(spread.method, world().size(), spread.inner);
    double sum = 0;
    for (const double share : method->work(c.sizes(), c.mask, SequenceShard(c.kind, c.T, world().size(), 0))) {
      sum += share;
    }
    EXPECT_NEAR(sum, 1, 1e-12) << spread.method;
  }
}

}  // namespace
}  // namespace longspan::testing
