// Softmax averages over prefixes against the naive ones and central differences, on every number of ranks; the
// published worked example; counted bytes; long sequences in float32 and bfloat16.
#include "autograd/functions/prefix_softmax.hpp"

#include <gtest/gtest.h>

#include "autograd/gradient_check.hpp"
#include "autograd/sequence_rows.hpp"
#include "layout/scan_method.hpp"
#include "ops/elementwise.hpp"
#include "ops/recurrence/prefix_softmax.hpp"
#include "reference/prefix_softmax.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

struct Case {
  std::int64_t B = 2, T = 13, H = 2, V = 3;
  DocumentStarts documents = {};
  double score = 1;  // size of the scores
};

// Every width-th block of a row: [T, heads * width] -> [T, width] of one head.
Values head_of(const Values& rows, std::int64_t heads, std::int64_t head, std::int64_t width) {
  Values part;
  for (std::size_t at = head * width; at < rows.size(); at += heads * width) {
    part.insert(part.end(), rows.begin() + at, rows.begin() + at + width);
  }
  return part;
}

Values reference_output(const Case& c, const Values& scores, const Values& v) {
  Values o(v.size());
  for (std::int64_t b = 0; b < c.B; ++b) {
    for (std::int64_t h = 0; h < c.H; ++h) {
      const Values out = reference::prefix_softmax(
          head_of(rows_of_sequence(scores, c.B, b), c.H, h, 1), head_of(rows_of_sequence(v, c.B, b), c.H, h, c.V), c.V,
          c.documents.empty() ? std::vector<std::int64_t>{} : c.documents[static_cast<std::size_t>(b)]);
      for (std::int64_t t = 0; t < c.T; ++t) {
        std::copy_n(out.begin() + t * c.V, c.V, o.begin() + ((b * c.T + t) * c.H + h) * c.V);
      }
    }
  }
  return o;
}

struct Answer {
  Values o, dscores, dv;
  std::int64_t forward_bytes = 0, backward_bytes = 0;
};

Answer run(const Case& c, const Values& scores, const Values& v, const Values& dout, const Comm& axis) {
  const SequenceRows rows(c.B, c.T, axis);
  const Variable s(rows.tensor(scores, Dtype::float64)), x(rows.tensor(v, Dtype::float64));
  Tape tape;
  const std::int64_t start = bytes_sent(axis);
  const Variable o = prefix_softmax(tape, s, x, rows.documents(c.documents), axis, {});
  const std::int64_t middle = bytes_sent(axis);
  o.set_gradient(rows.tensor(dout, Dtype::float64));
  tape.backward();
  return {to_values(o.value()), to_values(s.gradient()), to_values(x.gradient()), middle - start,
          bytes_sent(axis) - middle};
}

Values scores_of(const Case& c) { return random_values(c.B * c.T * c.H, 1, c.score); }
Values values_of(const Case& c) { return random_values(c.B * c.T * c.H * c.V, 2); }

void expect_right(const Case& c) {
  const Comm axis = world().split("sequence", 0, world().rank());
  const SequenceRows rows(c.B, c.T, axis);
  const Values s = scores_of(c), v = values_of(c), dout = random_values(c.B * c.T * c.H * c.V, 9);
  const Answer a = run(c, s, v, dout, axis);
  EXPECT_LT(distance(a.o, rows.local(reference_output(c, s, v))), 1e-12);
  const Values ds = numeric_gradient([&](const Values& x) { return dot(reference_output(c, x, v), dout); }, s);
  const Values dv = numeric_gradient([&](const Values& x) { return dot(reference_output(c, s, x), dout); }, v);
  EXPECT_LT(distance(a.dscores, rows.local(ds)), kDifferenceTolerance);
  EXPECT_LT(distance(a.dv, rows.local(dv)), kDifferenceTolerance);
}

TEST(PrefixSoftmax, EqualsTheNaiveAverage) { expect_right({}); }

TEST(PrefixSoftmax, DocumentsDoNotLeak) {
  expect_right({.documents = {{0, 5, 6}, {3, 12}}});
  expect_right({.documents = {{1}, {0, 4, 8}}});
}

TEST(PrefixSoftmax, FewerTokensThanRanksAndShortSequences) {
  for (const std::int64_t T : {1, 2, 3, 7}) expect_right({.T = T});
}

TEST(PrefixSoftmax, ScoresThatOverflowAnExponential) {
  for (const double score : {0.0, 1e-6, 300.0, 1e4}) expect_right({.score = score});
}

// The same scores moved by a constant give the same averages: the gradients of the scores sum to zero.
TEST(PrefixSoftmax, MovedScoresChangeNothing) {
  const Comm axis = world().split("sequence", 0, world().rank());
  const Case c{.B = 1, .H = 1};
  Values s = scores_of(c);
  const Values v = values_of(c), dout = random_values(c.T * c.V, 9);
  const Answer a = run(c, s, v, dout, axis);
  double sum = 0;
  for (const double g : a.dscores) sum += g;
  EXPECT_NEAR(summed({sum}, axis)[0], 0, 1e-13);
  for (double& x : s) x += 1000;
  EXPECT_LT(distance(run(c, s, v, dout, axis).o, a.o), 1e-12);
}

TEST(PrefixSoftmax, BytesAreTheClosedFormAndDoNotDependOnTheLength) {
  const Comm axis = world().split("sequence", 0, world().rank());
  const int S = axis.size(), me = axis.rank();
  for (const std::int64_t T : {3, 13, 50}) {
    const Case c{.T = T};
    const Answer a = run(c, scores_of(c), values_of(c), values_of(c), axis);
    const std::int64_t state = c.B * c.H * (3 + c.V);
    const ScanMethod method = choose_scan(S, 8 * state, 8 * state);
    EXPECT_EQ(a.forward_bytes, 8 * scan_volume(method, S, me, state, state).elements);
    EXPECT_EQ(a.backward_bytes, 8 * scan_volume(method, S, S - 1 - me, state, state).elements);
  }
}

TEST(QueryScores, Gradients) {
  expect_right_gradients({{{1, 6}}, {{2, 37, 6}}},
                         [](Tape& t, const std::vector<Variable>& x) { return query_scores(t, x[0], x[1], 2, 0.7); });
}

// The worked example, computed independently (NumPy, float64; eight decimals).
constexpr double kDecimals = 6e-9;
const Values kKeys = {0.91, 0.3, -0.51, -0.98, -0.8, -0.08, 0.69, 1};
const Values kValues = {0.14, -0.69, -0.99, -0.53, 0.35, 0.95, 0.82, 0.05};

void expect_near(const char* what, const Tensor& t, const Values& golden) {
  EXPECT_LT(distance(to_values(t), golden), kDecimals) << what;
}
Tensor no_documents(std::int64_t T) {
  return Tensor::from_host(std::vector<std::int32_t>(static_cast<std::size_t>(T), -1), {1, T});
}

TEST(PrefixSoftmaxGolden, OutputAndGradients) {
  const Comm axis = world().split("self", world().rank(), 0);
  Tape tape;
  const Variable q(tensor_as<double>({0.84, 0.98}, {1, 2})), k(tensor_as<double>(kKeys, {1, 4, 2}));
  const Variable v(tensor_as<double>(kValues, {1, 4, 2}));
  const Variable s = query_scores(tape, q, k, 1, 1 / std::sqrt(2.0));
  expect_near("s", s.value(), {0.74840182, -0.98202990, -0.53061293, 1.10280374});
  const Tensor state = Tensor::empty({1, 5}, Dtype::float64);
  ops::clear_prefix_state(state);
  const Variable o = prefix_softmax(tape, s, v, no_documents(4), axis, state);
  expect_near("o", o.value(),
              {0.14000000, -0.69000000, -0.03010157, -0.66591482, 0.04257805, -0.35693404, 0.42721533, -0.15559936});
  expect_near("state", state, {1.10280374, 2.02118202, 1, 0.86347994, -0.31449463});
  o.set_gradient(tensor_as<double>({-0.96, -0.23, 0.73, 0.96, 0.22, -0.73, -0.95, -0.21}, {1, 4, 2}));
  tape.backward();
  expect_near("dv", v.gradient(),
              {-0.51850393, 0.01105448, 0.07823659, 0.04271676, -0.04971067, -0.15987164, -0.47002199, -0.10389960});
  expect_near("dq", q.gradient(), {0.26604607, -0.04281858});
  expect_near("dk", k.gradient(),
              {0.23834824, 0.27807295, -0.00621450, -0.00725025, -0.10978838, -0.12808644, -0.12234536, -0.14273625});
}

// Two ranks of two tokens: what each adds.
TEST(PrefixSoftmaxGolden, StatesOfTheRuns) {
  const Values scores = {0.74840182, -0.98202990, -0.53061293, 1.10280374};
  const std::vector<Values> golden = {{0.74840182, 1.17720789, 1, -0.03543581, -0.78392018},
                                      {1.10280374, 1.19526129, 1, 0.88834145, 0.23549823}};
  for (std::int64_t rank = 0; rank < 2; ++rank) {
    const Tensor state = Tensor::empty({1, 5}, Dtype::float64);
    ops::clear_prefix_state(state);
    ops::prefix_softmax_forward(
        {.scores = tensor_as<double>(scores, {1, 4, 1}).reshape({4, 1}).slice(2 * rank, 2).reshape({1, 2, 1}),
         .v = tensor_as<double>(kValues, {4, 2}).slice(2 * rank, 2).reshape({1, 2, 2}),
         .documents = no_documents(2)},
        state, {}, {});
    EXPECT_LT(distance(to_values(state), golden[static_cast<std::size_t>(rank)]), 2e-8) << "rank " << rank;
  }
}

// 65536 tokens; scores between -40 and 40 (an early large one dominates), or all alike (a running mean). The reference
// is the state token by token in double.
TEST(PrefixSoftmax, LongSequences) {
  const Comm axis = world().split("self", world().rank(), 0);
  if (world().rank() != 0) return;
  constexpr std::int64_t T = 65536, V = 4;
  for (const auto& [dtype, limit] : {std::pair{Dtype::float32, 1e-5}, {Dtype::bfloat16, 4e-3}}) {
    for (const double size : {0.0, 10.0}) {
      Values s = random_values(T, 1, size);
      for (double& x : s) x = rounded(x, Dtype::float32);
      const Values v = random_values(T * V, 2, dtype);
      const auto average = [&](Dtype type) {
        Tape tape;
        const Variable scores(to_tensor(s, {1, T, 1}, accumulation_dtype(type))), x(to_tensor(v, {1, T, V}, type));
        const Variable o = prefix_softmax(tape, scores, x, no_documents(T), axis, {});
        o.set_gradient(Tensor::zeros(o.value().shape(), type));
        ops::fill(o.gradient(), 1);
        tape.backward();
        EXPECT_TRUE(ops::all_finite(scores.gradient()) && ops::all_finite(x.gradient()));
        return to_values(o.value());
      };
      const double error = distance(average(dtype), average(Dtype::float64));
      EXPECT_LT(error, limit) << to_string(dtype) << ", scores of " << size;
      std::cout << to_string(dtype) << ", scores of " << size << ": error " << error << "\n";
    }
  }
}

}  // namespace
}  // namespace longspan::testing
