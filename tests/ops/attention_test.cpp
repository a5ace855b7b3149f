#include "ops/attention_case.hpp"
#include "ops/matmul.hpp"
#include "tensor/device.hpp"

namespace longspan::testing {
namespace {

const MaskRule kCausal{true, 0}, kBidirectional{false, 0}, kWindow{true, 5}, kWindowBothWays{false, 9};

// Every rule that masks know, several head groupings, lengths around the tile sizes.
std::vector<Case> cases() {
  const std::vector<std::vector<std::int64_t>> documents = {{0, 64, 128}, {0, 3, 4, 50, 111}};
  std::vector<Case> all;
  for (const std::int64_t T : {1, 7, 64, 130, 300}) {
    all.push_back({.H = 2, .Hk = 2, .T = T, .mask = kCausal});
    all.push_back({.B = 2, .H = 6, .Hk = 2, .T = T, .mask = kCausal, .documents = documents});
    all.push_back({.H = 3, .Hk = 1, .T = T, .K = 5, .mask = kBidirectional});
    all.push_back({.H = 2, .Hk = 1, .T = T, .mask = kWindow, .alibi = true});
    all.push_back({.B = 2, .H = 2, .Hk = 1, .T = T, .mask = kWindowBothWays, .documents = documents, .dropout = 0.25});
    all.push_back({.B = 1, .H = 4, .Hk = 2, .T = T, .mask = kCausal, .alibi = true, .dropout = 0.5});
  }
  all.push_back({.B = 1, .H = 1, .Hk = 1, .T = 700, .K = 64, .mask = kCausal});
  return all;
}

Values gradient_of_output(const reference::Attention& p, Dtype dtype) {
  Values dout = random_values(static_cast<std::int64_t>(p.q.size()), 4);
  for (double& x : dout) x = rounded(x, dtype);
  return dout;
}

void expect_reference(Dtype dtype, double tolerance) {
  int index = 0;
  for (const Case& c : cases()) {
    SCOPED_TRACE("case " + std::to_string(index++) + " of " + std::to_string(c.T) + " tokens");
    const auto p = make_problem(c, dtype);
    const Values dout = gradient_of_output(p, dtype);
    expect_close(run_one_rank(p, dout, dtype), run_reference(p, dout), tolerance);
  }
}

TEST(Attention, MatchesReferenceInFloat64) { expect_reference(Dtype::float64, 1e-12); }
TEST(Attention, MatchesReferenceInFloat32) { expect_reference(Dtype::float32, 1e-5); }
TEST(Attention, MatchesReferenceInBfloat16) { expect_reference(Dtype::bfloat16, 2e-2); }

TEST(Attention, VisitsOfAnyShardEqualTheWholeSequence) {
  for (const auto& c : {Case{.B = 2, .H = 4, .Hk = 2, .T = 301, .mask = kCausal, .documents = {{0, 90}, {0, 17, 200}}},
                        Case{.H = 2, .Hk = 1, .T = 77, .mask = kWindow, .alibi = true, .dropout = 0.3},
                        Case{.H = 1, .Hk = 1, .T = 150, .mask = kBidirectional}, Case{.T = 3, .mask = kCausal}}) {
    const auto p = make_problem(c, Dtype::float64);
    const Values dout = gradient_of_output(p, Dtype::float64);
    const Result whole = run_one_rank(p, dout, Dtype::float64);
    for (const auto kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
      for (const int ranks : {2, 3, 4}) {
        SCOPED_TRACE(std::string(to_string(kind)) + " over " + std::to_string(ranks));
        expect_close(run_ranks(p, dout, Dtype::float64, kind, ranks), whole, 1e-12);
      }
    }
  }
}

// Widths of whole and of broken vectors, odd ones too; rows that begin anywhere.
TEST(Attention, ShardsInLessPrecisionEqualTheReference) {
  const std::vector<std::vector<std::int64_t>> documents = {{0, 90}, {0, 17, 333}};
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16}) {
    for (const std::int64_t K : {5, 16, 80, 128}) {
      SCOPED_TRACE(std::string(to_string(dtype)) + " width " + std::to_string(K));
      const Case c{.B = 2, .H = 4, .Hk = 2, .T = 601, .K = K, .mask = kCausal, .documents = documents};
      const auto p = make_problem(c, dtype);
      const Values dout = gradient_of_output(p, dtype);
      const Result want = run_reference(p, dout);
      const double tolerance = dtype == Dtype::float32 ? 1e-5 : 2e-2;
      expect_close(run_ranks(p, dout, dtype, ShardKind::zigzag, 3), want, tolerance);
      expect_close(run_ranks(p, dout, dtype, ShardKind::striped, 2), want, tolerance);
    }
  }
}

// Blocks of keys that several threads compute at once add to the same rows.
TEST(Attention, SumsAreTheSameEveryTime) {
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16}) {
    const auto p = make_problem({.H = 2, .Hk = 1, .T = 1500, .mask = kBidirectional}, dtype);
    const Values dout = gradient_of_output(p, dtype);
    const Result first = run_one_rank(p, dout, dtype);
    expect_close(first, run_reference(p, dout), dtype == Dtype::float32 ? 1e-5 : 2e-2);
    for (int i = 0; i < 5; ++i) {
      const Result again = run_one_rank(p, dout, dtype);
      EXPECT_EQ(again.o, first.o);
      EXPECT_EQ(again.dq, first.dq);
      EXPECT_EQ(again.dk, first.dk);
      EXPECT_EQ(again.dv, first.dv);
    }
  }
}

TEST(Attention, GradientsMatchFiniteDifferences) {
  auto p = make_problem({.B = 2, .H = 2, .Hk = 1, .T = 6, .K = 3, .mask = kWindow, .alibi = true, .dropout = 0.2},
                        Dtype::float64);
  const Values dout = gradient_of_output(p, Dtype::float64);
  const Result exact = run_one_rank(p, dout, Dtype::float64);
  const auto loss = [&] {
    const Result r = run_one_rank(p, dout, Dtype::float64);
    return std::inner_product(r.o.begin(), r.o.end(), dout.begin(), 0.0);
  };
  const auto differences = [&](Values& x) {
    Values gradient;
    for (double& value : x) {
      const double kept = value, step = 1e-5;
      value = kept + step;
      const double above = loss();
      value = kept - step;
      gradient.push_back((above - loss()) / (2 * step));
      value = kept;
    }
    return gradient;
  };
  EXPECT_LE(distance(differences(p.q), exact.dq), 1e-6);
  EXPECT_LE(distance(differences(p.k), exact.dk), 1e-6);
  EXPECT_LE(distance(differences(p.v), exact.dv), 1e-6);
}

TEST(Attention, HugeScoresStayFinite) {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    const auto p = make_problem({.H = 2, .Hk = 2, .T = 140, .mask = kCausal, .logits = 1e4}, dtype);
    const Values dout = gradient_of_output(p, dtype);
    const Result got = run_one_rank(p, dout, dtype);
    for (const Values* x : {&got.o, &got.lse, &got.dq, &got.dk, &got.dv}) {
      EXPECT_TRUE(std::all_of(x->begin(), x->end(), [](double value) { return std::isfinite(value); }));
    }
    if (dtype == Dtype::float64) expect_close(got, run_reference(p, dout), 1e-9);
  }
}

TEST(Attention, ScoresBeyondTheRangeOfFloatsCountAsHidden) {
  auto p = make_problem({.T = 4, .K = 1, .mask = kCausal}, Dtype::float32);
  p.q = {1e30, 1e30, 1e30, 1e30};
  p.k = {-1e30, -1e30, 1e-30, -1e30};
  const Values dout = {1, 1, 1, 1};
  const Result got = run_one_rank(p, dout, Dtype::float32);
  EXPECT_EQ(got.o, (Values{0, 0, p.v[2], p.v[2]}));
  EXPECT_EQ(got.dv, (Values{0, 0, 2, 0}));
  EXPECT_EQ(got.dq, (Values{0, 0, 0, 0}));
}

TEST(Attention, RowsThatSeeNoKeyGiveZeros) {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    auto p = make_problem({.B = 2, .H = 2, .Hk = 1, .T = 70, .mask = kCausal}, dtype);
    for (const std::int64_t i : {0, 5, 69, 70 + 3}) p.end[i] = p.begin[i];
    const Values dout = gradient_of_output(p, dtype);
    const Result got = run_one_rank(p, dout, dtype);
    expect_close(got, run_reference(p, dout), dtype == Dtype::float64 ? 1e-12 : dtype == Dtype::float32 ? 1e-5 : 2e-2);
    EXPECT_EQ(got.lse[5], -INFINITY);
    for (std::int64_t c = 0; c < p.K; ++c) {
      EXPECT_EQ(got.o[5 * p.K + c], 0);
      EXPECT_EQ(got.dq[5 * p.K + c], 0);
    }
    for (auto& end : p.end) end = 0;
    const Result nothing = run_one_rank(p, dout, dtype);
    for (const Values* x : {&nothing.o, &nothing.dq, &nothing.dk, &nothing.dv}) {
      EXPECT_TRUE(std::all_of(x->begin(), x->end(), [](double value) { return value == 0; }));
    }
  }
}

TEST(Attention, NoQueriesOrNoKeysAreAllowed) {
  AttentionRules rules;
  rules.visible_begin = rules.visible_end = Indices({}, {1, 0});
  const Tensor none = Tensor::zeros({1, 2, 0, 4}, Dtype::float32), some = Tensor::zeros({1, 2, 3, 4}, Dtype::float32);
  const Tensor no_rows = Tensor::zeros({1, 2, 0}, Dtype::float32);
  const auto no_queries = ops::make_attention_state(none);
  ops::attention_visit(rules, none, some, some, {{0, 0, 3, 1}}, no_queries);
  ops::attention_finish(no_queries, none, no_rows);
  ops::attention_delta(none, none, no_rows);
  ops::attention_visit_backward(rules, none, some, some, {{0, 0, 3, 1}}, no_rows, none, no_rows, none, some, some);

  rules.query_runs = {{0, 0, 3, 1}};
  rules.visible_begin = Indices({0, 0, 0}, {1, 3});
  rules.visible_end = Indices({1, 2, 3}, {1, 3});
  const auto no_keys = ops::make_attention_state(some);
  const Tensor o = Tensor::empty(some.shape(), Dtype::float32), lse = Tensor::empty({1, 2, 3}, Dtype::float32);
  ops::attention_visit(rules, some, none, none, {}, no_keys);
  ops::attention_finish(no_keys, o, lse);
  for (const double x : to_values(o)) EXPECT_EQ(x, 0);
  for (const double x : to_values(lse)) EXPECT_EQ(x, -INFINITY);
}

TEST(Attention, DropoutDependsOnGlobalHeadAndSequence) {
  // Sequence 1 and heads 2, 3 of four, alone on a rank.
  const auto p = make_problem({.B = 2, .H = 4, .Hk = 4, .T = 40, .mask = kCausal, .dropout = 0.5}, Dtype::float64);
  const SequenceShard shard(ShardKind::contiguous, p.T, 1, 0);
  AttentionRules rules = rules_of(p, shard, Dtype::float64);
  const auto second = [&](const std::vector<std::int32_t>& of_both) {
    return Indices({of_both.begin() + p.T, of_both.end()}, {1, p.T});
  };
  rules.visible_begin = second(rules.visible_begin.host());
  rules.visible_end = second(rules.visible_end.host());
  rules.first_sequence = 1;
  rules.first_head = 2;
  const std::int64_t first = (1 * 4 + 2) * p.T * p.K, size = 2 * p.T * p.K;
  const auto part = [&](const Values& x) {
    return to_tensor(Values(x.begin() + first, x.begin() + first + size), {1, 2, p.T, p.K}, Dtype::float64);
  };
  const Tensor q = part(p.q), k = part(p.k), v = part(p.v), o = Tensor::empty(q.shape(), Dtype::float64),
               lse = Tensor::empty({1, 2, p.T}, Dtype::float64);
  const auto state = ops::make_attention_state(q);
  ops::attention_visit(rules, q, k, v, shard.runs(), state);
  ops::attention_finish(state, o, lse);
  EXPECT_LE(distance(to_values(o), to_values(part(p.forward().o))), 1e-12);
}

TEST(Attention, DropoutZeroesTheStatedShare) {
  const auto p = make_problem({.T = 200, .mask = kBidirectional, .dropout = 0.3}, Dtype::float64);
  double dropped = 0;
  for (std::int64_t i = 0; i < p.T; ++i) {
    for (std::int64_t j = 0; j < p.T; ++j) dropped += p.kept(0, 0, i, j) == 0;
  }
  EXPECT_NEAR(dropped / static_cast<double>(p.T * p.T), 0.3, 0.01);
}

// Multiplied pairs over visible pairs, of one sequence and head.
double waste(const Case& c, ShardKind kind, int ranks) {
  const auto p = make_problem(c, Dtype::float32);
  const Values dout = gradient_of_output(p, Dtype::float32);
  double pairs = 0;
  for (std::size_t i = 0; i < p.begin.size(); ++i) pairs += p.end[i] - p.begin[i];
  const double before = ops::matmul_flops();
  run_ranks(p, dout, Dtype::float32, kind, ranks);
  return (ops::matmul_flops() - before) / (14.0 * static_cast<double>(p.K) * pairs);
}

TEST(Attention, HiddenTilesAreNotMultiplied) {
  const std::int64_t T = device::host_accessible() ? 1024 : 16384;  // as many tiles
  EXPECT_LE(waste({.T = T, .K = 4, .mask = kCausal}, ShardKind::contiguous, 1), 1.13);
  EXPECT_LE(waste({.T = T, .K = 4, .mask = kCausal}, ShardKind::zigzag, 2), 1.13);
  EXPECT_LE(waste({.T = T, .K = 4, .mask = kCausal}, ShardKind::striped, 2), 1.26);
  EXPECT_LE(waste({.T = T, .K = 4, .mask = {true, T / 4}}, ShardKind::contiguous, 1), 1.5);
}

TEST(CountVisiblePairs, EqualsCountingOneByOne) {
  const auto p = make_problem({.T = 61, .mask = kWindow, .documents = {{0, 20, 21}}}, Dtype::float64);
  for (const auto kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    for (int queries = 0; queries < 3; ++queries) {
      for (int keys = 0; keys < 3; ++keys) {
        const SequenceShard q(kind, p.T, 3, queries), k(kind, p.T, 3, keys);
        const auto begin = gather(p.begin, p.T, 1, q.positions()), end = gather(p.end, p.T, 1, q.positions());
        std::int64_t pairs = 0;
        for (std::size_t i = 0; i < begin.size(); ++i) {
          for (const auto position : k.positions()) pairs += begin[i] <= position && position < end[i];
        }
        EXPECT_EQ(ops::count_visible_pairs(q.runs(), k.runs(), begin, end), pairs);
      }
    }
  }
}

}  // namespace
}  // namespace longspan::testing
