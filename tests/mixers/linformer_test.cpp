// Linformer's core over all ranks of the test: published numbers, naive loops, one rank's results, and its counted
// bytes against the closed forms.
#include "mixers/linformer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/counters.hpp"
#include "layout/volume.hpp"
#include "reference/linformer.hpp"
#include "support/compare.hpp"
#include "support/expect_error.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

struct Sizes {
  std::int64_t B = 1, H = 1, Hk = 1, T = 4, K = 2, Kp = 2;
  double dropout = 0;
  ShardKind kind = ShardKind::zigzag;
  Dtype dtype = Dtype::float64;
};

// All values of all positions: q, g [B, H, T, K], kv [2 B, Hk, T, K], e, f [Kp, T].
struct Inputs {
  Values q, kv, e, f, g;
};
Inputs random_inputs(const Sizes& s) {
  return {random_values(s.B * s.H * s.T * s.K, 1), random_values(2 * s.B * s.Hk * s.T * s.K, 2),
          random_values(s.Kp * s.T, 3), random_values(s.Kp * s.T, 4), random_values(s.B * s.H * s.T * s.K, 5)};
}

// The shard's positions of [outer, T, width].
Values local(const Values& all, std::int64_t outer, std::int64_t width, const SequenceShard& shard) {
  Values mine;
  for (std::int64_t i = 0; i < outer; ++i) {
    for (const std::int64_t t : shard.positions()) {
      const auto row = all.begin() + (i * shard.global_length() + t) * width;
      mine.insert(mine.end(), row, row + width);
    }
  }
  return mine;
}

struct Outcome {
  Values o, dq, dkv, de, df;
  std::int64_t forward_bytes = 0, backward_bytes = 0, calls = 0;
};

Outcome run(const Sizes& s, const Inputs& in, const Comm& axis) {
  const SequenceShard shard(s.kind, s.T, axis.size(), axis.rank());
  const std::int64_t n = shard.local_length();
  const Variable q(to_tensor(local(in.q, s.B * s.H, s.K, shard), {s.B, s.H, n, s.K}, s.dtype));
  const Variable kv(to_tensor(local(in.kv, 2 * s.B * s.Hk, s.K, shard), {2 * s.B, s.Hk, n, s.K}, s.dtype));
  const auto parameter = [&](const Values& all) {
    return Variable::parameter(to_tensor(local(all, s.Kp, 1, shard), {s.Kp, n}, s.dtype),
                               Tensor::zeros({s.Kp, n}, accumulation_dtype(s.dtype)));
  };
  const Variable e = parameter(in.e), f = parameter(in.f);
  ops::AttentionRules rules;
  rules.scale = 1 / std::sqrt(static_cast<double>(s.K));
  rules.query_runs = shard.runs();
  rules.dropout = s.dropout;
  rules.dropout_key = 77;
  const auto count = [&axis] { return CommCounters::instance().of(axis.name(), "all_reduce"); };
  const CommCount start = count();
  Tape tape;
  const Variable o = linformer_attention(tape, rules, q, kv, e, f, axis);
  const CommCount middle = count();
  o.set_gradient(to_tensor(local(in.g, s.B * s.H, s.K, shard), {s.B, s.H, n, s.K}, s.dtype));
  tape.backward();
  return {to_values(o.value()),         to_values(q.gradient()),    to_values(kv.gradient()),
          to_values(e.gradient()),      to_values(f.gradient()),    middle.bytes - start.bytes,
          count().bytes - middle.bytes, count().calls - start.calls};
}

Comm sequence_axis() { return world().split("sequence", 0, world().rank()); }

void expect_like_one_rank(Sizes s) {
  const Inputs in = random_inputs(s);
  for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    s.kind = kind;
    const Outcome one = run(s, in, world().split("self", world().rank(), 0)), many = run(s, in, sequence_axis());
    const SequenceShard shard(kind, s.T, world().size(), world().rank());
    const auto expect = [&](const char* what, const Values& part, const Values& whole, std::int64_t outer,
                            std::int64_t width) {
      EXPECT_LT(distance(part, local(whole, outer, width, shard)), 1e-12) << what << " " << to_string(kind);
    };
    expect("o", many.o, one.o, s.B * s.H, s.K);
    expect("dq", many.dq, one.dq, s.B * s.H, s.K);
    expect("dkv", many.dkv, one.dkv, 2 * s.B * s.Hk, s.K);
    expect("de", many.de, one.de, s.Kp, 1);
    expect("df", many.df, one.df, s.Kp, 1);
  }
}

TEST(Linformer, TwoSequencesOfGroupedHeads) {
  expect_like_one_rank({.B = 2, .H = 4, .Hk = 2, .T = 13, .K = 4, .Kp = 5});
}
TEST(Linformer, DropoutDrawsTheSameMask) {
  expect_like_one_rank({.B = 2, .H = 2, .Hk = 2, .T = 9, .K = 4, .Kp = 3, .dropout = 0.3});
}
TEST(Linformer, LengthsThatDivideByNothing) { expect_like_one_rank({.H = 2, .Hk = 2, .T = 7, .K = 4, .Kp = 3}); }
TEST(Linformer, FewerTokensThanRanks) {
  expect_like_one_rank({.T = 1});
  expect_like_one_rank({.T = 3, .Kp = 7});
}

// Every head of every sequence against naive loops; E and F see the sum over them.
TEST(Linformer, EqualsNaiveLoops) {
  const Sizes s{.B = 2, .H = 4, .Hk = 2, .T = 11, .K = 4, .Kp = 3};
  const Inputs in = random_inputs(s);
  const Outcome got = run(s, in, world().split("self", world().rank(), 0));
  Outcome expected{
      .o = {}, .dq = {}, .dkv = Values(in.kv.size(), 0), .de = Values(in.e.size(), 0), .df = Values(in.f.size(), 0)};
  const std::int64_t rows = s.T * s.K;
  const auto part = [rows](const Values& all, std::int64_t i) {
    return Values(all.begin() + i * rows, all.begin() + (i + 1) * rows);
  };
  const auto add = [](const Values& from, Values& to, std::int64_t first) {
    for (std::size_t i = 0; i < from.size(); ++i) to[static_cast<std::size_t>(first) + i] += from[i];
  };
  for (std::int64_t b = 0; b < s.B; ++b) {
    for (std::int64_t h = 0; h < s.H; ++h) {
      const std::int64_t key = b * s.Hk + h / (s.H / s.Hk), value = s.B * s.Hk + key, query = b * s.H + h;
      const auto r = reference::linformer(11, 3, 4, 0.5, part(in.q, query), part(in.kv, key), part(in.kv, value), in.e,
                                          in.f, part(in.g, query));
      expected.o.insert(expected.o.end(), r.o.begin(), r.o.end());
      expected.dq.insert(expected.dq.end(), r.dq.begin(), r.dq.end());
      add(r.dk, expected.dkv, key * rows);
      add(r.dv, expected.dkv, value * rows);
      add(r.de, expected.de, 0);
      add(r.df, expected.df, 0);
    }
  }
  EXPECT_LT(distance(got.o, expected.o), 1e-13);
  EXPECT_LT(distance(got.dq, expected.dq), 1e-13);
  EXPECT_LT(distance(got.dkv, expected.dkv), 1e-13);
  EXPECT_LT(distance(got.de, expected.de), 1e-13);
  EXPECT_LT(distance(got.df, expected.df), 1e-13);
}

// amplitude f(a n + b), n = 1, ..., 8.
Values wave(double (*f)(double), double a, double b, double amplitude = 1) {
  Values values;
  for (int n = 1; n <= 8; ++n) values.push_back(amplitude * f(a * n + b));
  return values;
}

// Numbers computed independently for T = 4, K = 2, Kp = 2, rounded to eight digits.
TEST(Linformer, GoldenNumbersOnAnyNumberOfRanks) {
  Sizes s;
  const Values key = wave(std::cos, 0.5, 0), value = wave(std::sin, 0.3, 1);
  Inputs in{.q = wave(std::sin, 0.7, 0),
            .kv = key,
            .e = wave(std::sin, 0.4, 0, 0.5),
            .f = wave(std::cos, 0.6, 0, 0.5),
            .g = wave(std::cos, 0.9, 0.2)};
  in.kv.insert(in.kv.end(), value.begin(), value.end());
  const Values e = {0.19470917, 0.35867805, 0.46601954, 0.49978680, 0.45464871, 0.33773159, 0.16749408, -0.02918707};
  const Values f = {0.41266781,  0.18117888,  -0.11360105, -0.36869686,
                    -0.49499625, -0.44837921, -0.24513041, 0.04374949};
  const Values o = {-0.63072202, -0.52599944, -0.56262317, -0.45639692,
                    -0.01389776, 0.10444468,  0.07993072,  0.20034494};
  const Values dq = {-0.00581527, -0.00478250, 0.40018008,  0.32910953,
                     -0.17855353, -0.14684306, -0.28888170, -0.23757735};
  const Values dkv = {0.18610286,  0.12611039,  -0.01499655, -0.01016223, -0.21372833, -0.14483045,
                      -0.37871710, -0.25663313, 0.25630535,  0.43444924,  0.13083447,  0.30059989,
                      -0.04034066, 0.06174235,  -0.19742364, -0.19868356};
  const Values de = {-0.89043150, 0.15125072,  1.05387373,  0.98757009,
                     0.89043150,  -0.15125072, -1.05387373, -0.98757009};
  const Values df = {0.98914817,  0.88788182,  0.47645281,  -0.10141488,
                     -0.55159913, -0.45938162, -0.20668889, 0.11820621};
  const Values kbar = {-0.64513202, -0.83209923, 0.31602759, -0.04163812};
  const auto expect = [](const char* what, const Values& got, const Values& golden) {
    ASSERT_EQ(got.size(), golden.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], golden[i], 1e-8) << what << " " << i;
  };
  expect("e", in.e, e);
  expect("f", in.f, f);
  const double scale = 1 / std::sqrt(2.0);
  expect("kbar", reference::linformer(4, 2, 2, scale, in.q, key, value, in.e, in.f, in.g).kbar, kbar);
  for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    s.kind = kind;
    const SequenceShard shard(kind, s.T, world().size(), world().rank());
    const Outcome got = run(s, in, sequence_axis());
    expect("o", got.o, local(o, 1, 2, shard));
    expect("dq", got.dq, local(dq, 1, 2, shard));
    expect("dkv", got.dkv, local(dkv, 2, 2, shard));
    expect("de", got.de, local(de, 2, 1, shard));
    expect("df", got.df, local(df, 2, 1, shard));
  }
}

TEST(Linformer, PutsExactlyTheClosedFormsOnTheWireWhateverTheLength) {
  const Comm axis = sequence_axis();
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    for (const std::int64_t length : {2, 13, 40}) {
      const Sizes s{.B = 2, .H = 4, .Hk = 2, .T = length, .K = 4, .Kp = 6, .dtype = dtype};
      const Outcome outcome = run(s, random_inputs(s), axis);
      const std::int64_t bytes = linformer_sequence_elements(s.B, s.Hk, s.Kp, s.K) *
                                 static_cast<std::int64_t>(size_of(accumulation_dtype(dtype)));
      EXPECT_EQ(outcome.forward_bytes, all_reduce_volume(bytes, axis.size())) << length;
      EXPECT_EQ(outcome.backward_bytes, all_reduce_volume(bytes, axis.size())) << length;
      EXPECT_EQ(outcome.calls, axis.size() == 1 ? 0 : 2);
    }
  }
}

TEST(Linformer, RefusesWhatItCannotDo) {
  const auto sentence = [](const std::function<void(MixerSettings&)>& change) {
    MixerSettings s{.name = "mixer", .max_length = 8};
    s.model.causal = false;
    change(s);
    ParameterStore store({}, {});
    return sentence_of([&] { make_mixer("linformer", store, s); });
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(sentence([](auto& s) { s.model.causal = true; }), HasSubstr("set model.causal = false"));
  EXPECT_THAT(sentence([](auto& s) { s.mask_documents = true; }), HasSubstr("set data.mask_documents = false"));
  EXPECT_THAT(sentence([](auto& s) { s.model.window = 4; }), HasSubstr("set model.window = 0"));
  EXPECT_THAT(sentence([](auto& s) { s.model.positions = "alibi"; }), HasSubstr("model.positions = alibi"));
}

TEST(Linformer, EachRankHoldsTheColumnsOfItsPositions) {
  for (int rank = 0; rank < 3; ++rank) {
    ParameterStore store({.sequence = 3}, {.sequence = rank});
    MixerSettings s{.name = "mixer", .max_length = 13, .shard = ShardKind::zigzag};
    s.model.causal = false;
    s.model.linformer_rank = 5;
    make_mixer("linformer", store, s);
    const Parameter& e = *store.all()[store.all().size() - 2];
    EXPECT_EQ(e.info().name, "mixer.compress_keys");
    EXPECT_EQ(e.info().shape, (Shape{5, 13}));
    EXPECT_EQ(e.local_shape(), (Shape{5, SequenceShard(ShardKind::zigzag, 13, 3, rank).local_length()}));
  }
}

}  // namespace
}  // namespace longspan::testing
