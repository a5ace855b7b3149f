// Worked examples of the published recurrences, computed independently (NumPy, float64; eight decimals), and long
// sequences in float32 and bfloat16.
#include <gtest/gtest.h>

#include "autograd/functions/gates.hpp"
#include "autograd/functions/recurrence.hpp"
#include "ops/elementwise.hpp"
#include "ops/recurrence/split_recurrence.hpp"
#include "reference/recurrence.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

constexpr double kDecimals = 6e-9;
const double kScale = 1 / std::sqrt(2.0);

const Values kQueries = {0.84, 0.98, 0.57, -0.17, -0.81, -0.99, -0.62, 0.11};
const Values kKeys = {0.91, 0.3, -0.51, -0.98, -0.8, -0.08, 0.69, 1};
const Values kValues = {0.14, -0.69, -0.99, -0.53, 0.35, 0.95, 0.82, 0.05};
const Values kWeights = {-0.96, -0.23, 0.73, 0.96, 0.22, -0.73, -0.95, -0.21};  // dL/do

Variable rows(const Values& values, std::int64_t width, std::int64_t first = 0, std::int64_t count = 4) {
  return Variable(tensor_as<double>(Values(values.begin() + first * width, values.begin() + (first + count) * width),
                                    {1, count, width}));
}
Tensor one_document(std::int64_t length) {
  return Tensor::from_host(std::vector<std::int32_t>(static_cast<std::size_t>(length), -1), {1, length});
}
Comm self() { return world().split("self", world().rank(), 0); }

class Golden : public ::testing::TestWithParam<std::int64_t> {
 protected:
  ops::RecurrenceSettings settings() const { return {.chunk = GetParam(), .scale = kScale}; }
};
INSTANTIATE_TEST_SUITE_P(ChunkSize, Golden, ::testing::Values(1, 2, 3, 4));

void expect_near(const char* what, const Tensor& t, const Values& golden) {
  EXPECT_LT(distance(to_values(t), golden), kDecimals) << what;
}

const Values kGateLogits = {-0.76, -0.96, -0.32, 0.61, 1, 0.5, -0.44, -0.99};

TEST_P(Golden, GatedLinearAttention) {
  Tape tape;
  const Variable q = rows(kQueries, 2), k = rows(kKeys, 2), v = rows(kValues, 2), x = rows(kGateLogits, 2);
  const Comm axis = self();
  const Variable g = log_sigmoid(tape, x, 2);
  const Variable o = recurrence(tape, settings(), {q, k, v, g}, one_document(4), axis);
  expect_near("log alpha", g.value(),
              {-0.57183684, -0.64208880, -0.43294647, -0.21697797, -0.15663084, -0.23703849, -0.46857723, -0.65298047});
  expect_near("o", o.value(),
              {0.10477625, -0.51639725, 0.11611497, -0.09760553, -0.66226606, 0.36072759, -0.21434573, 0.23762636});
  o.set_gradient(rows(kWeights, 2).value());
  tape.backward();
  expect_near("dq", q.gradient(),
              {0.01563625, 0.00515481, 0.21030970, 0.75772890, 0.48733676, 0.01443121, -0.39716826, -0.84106740});
  expect_near("dk", k.gradient(),
              {-0.30359566, -0.16627375, -0.82593453, 0.08823773, 0.49908252, 0.41003411, 0.34612170, -0.06140869});
  expect_near("dv", v.gradient(),
              {-0.53470588, 0.36419616, 0.02603044, -0.68023353, -0.09233758, -0.42079009, 0.21348261, 0.04719089});
  expect_near("dx", x.gradient(), {0, 0, -0.08383010, -0.00966998, 0.00160606, -0.00237717, 0.00225675, -0.01134050});
}

// One rank's run with what it runs over, from a state; from zero without one.
struct RankRun {
  RankRun(const ops::RecurrenceSettings& s, const ops::RecurrenceInput& in, const Tensor& state = {})
      : settings(s), input(in) {
    split.advance(state.defined() ? state : ops::zero_state(settings, input));
  }
  ops::RecurrenceSettings settings;
  ops::RecurrenceInput input;
  ops::SplitRecurrence split{settings, input};
};

// Two ranks of two tokens: what each does to a state, forward and backward.
TEST_P(Golden, MapsOfTheRunsOfGatedLinearAttention) {
  Tape tape(false);
  const auto run = [&](std::int64_t first) {
    const Variable g = log_sigmoid(tape, rows(kGateLogits, 2, first, 2), 2);
    return RankRun(settings(), {rows(kQueries, 2, first, 2).value(),
                                rows(kKeys, 2, first, 2).value(),
                                rows(kValues, 2, first, 2).value(),
                                g.value(),
                                {},
                                one_document(2)});
  };
  const RankRun left_run = run(0), right_run = run(2);
  const ops::SplitRecurrence &left = left_run.split, &right = right_run.split;
  expect_near("rank 0", left.map(), {0.36612396, 0.42355717, 0.58753103, -0.13695293, 1.00400780, 0.35277583});
  expect_near("rank 1", right.map(), {0.53515007, 0.41064796, 0.39055020, -0.44117803, 0.80542622, 0.01044260});
  RankRun last(right_run.settings, right_run.input, left.final_state());
  expect_near("S_4", last.split.final_state(), {0.70496747, -0.51446840, 1.21771998, 0.15530927});
  last.split.start_backward(rows(kWeights, 2, 2, 2).value());
  expect_near("G_1", last.split.adjoint_map(right.map()),
              {0.53515007, 0.41064796, 0.11514448, 0.40676293, -0.15185005, 0.39647201});
}

TEST_P(Golden, Retention) {
  Tape tape(false);
  const Comm axis = self();
  const Variable g(tensor_as<double>(Values(4, std::log1p(-1.0 / 32)), {1, 4, 1}));
  const Variable o = recurrence(tape, {.chunk = GetParam()}, {rows(kQueries, 2), rows(kKeys, 2), rows(kValues, 2), g},
                                one_document(4), axis);
  expect_near("o", o.value(),
              {0.14817600, -0.73029600, 0.18629081, -0.24685522, -1.20801816, 0.65023215, -0.35663909, 0.66205826});
}

const Values kStrengthLogits = {-0.76, -0.96, -0.32, 0.61};

TEST_P(Golden, DeltaNet) {
  Tape tape;
  const Comm axis = self();
  const Variable raw_q = rows(kQueries, 2), raw_k = rows(kKeys, 2), v = rows(kValues, 2), y = rows(kStrengthLogits, 1);
  const Variable q = l2_norm(tape, raw_q, 1), k = l2_norm(tape, raw_k, 1), beta = sigmoid(tape, y, 1);
  const Variable none(Tensor::zeros({1, 4, 1}, Dtype::float64), false);
  expect_near("q", q.value(),
              {0.65079118, 0.75925637, 0.95828641, -0.28580472, -0.63323760, -0.77395706, -0.98462202, 0.17469100});
  expect_near("beta", beta.value(), {0.31864627, 0.27687819, 0.42067575, 0.64794080});
  const Variable o = recurrence(tape, settings(), {q, k, v, none, beta}, one_document(4), axis);
  expect_near("o", o.value(),
              {0.02699534, -0.13304847, 0.06130901, -0.10216269, -0.09689091, 0.17602385, -0.05683455, 0.28649110});
  o.set_gradient(rows(kWeights, 2).value());
  tape.backward();
  expect_near("dk", raw_k.gradient(),
              {-0.00901144, 0.02733417, -0.33333965, 0.17347260, -0.00864170, 0.08642236, 0.22826296, -0.15750137});
  expect_near("dv", v.gradient(),
              {0.00387549, 0.20704755, 0.03588463, -0.14598692, -0.17646419, -0.20278341, 0.18080800, 0.03996808});
  // dL/dbeta through the sigmoid.
  const Values dbeta = {-0.44664023, 0.23830274, -0.63074545, 0.20271012}, b = to_values(beta.value());
  Values dy;
  for (std::size_t i = 0; i < 4; ++i) dy.push_back(dbeta[i] * b[i] * (1 - b[i]));
  expect_near("dy", y.gradient(), dy);
}

TEST_P(Golden, MapsOfTheRunsOfDeltaNet) {
  Tape tape(false);
  const auto run = [&](std::int64_t first) {
    const Variable q = l2_norm(tape, rows(kQueries, 2, first, 2), 1), k = l2_norm(tape, rows(kKeys, 2, first, 2), 1);
    const Variable beta = sigmoid(tape, rows(kStrengthLogits, 1, first, 2), 1);
    return RankRun(settings(), {q.value(), k.value(), rows(kValues, 2, first, 2).value(),
                                Tensor::zeros({1, 2, 1}, Dtype::float64), beta.value(), one_document(2)});
  };
  const RankRun left_run = run(0), right_run = run(2);
  const ops::SplitRecurrence &left = left_run.split, &right = right_run.split;
  expect_near("rank 0", left.map(),
              {0.68128692, -0.19900067, -0.15490232, 0.76843954, 0.16482315, -0.12094202, 0.24927421, 0.10000802});
  expect_near("rank 1", right.map(),
              {0.47416388, -0.33456343, -0.20009465, 0.57132413, 0.19029441, -0.28410994, 0.47346552, 0.12479702});
  RankRun last(right_run.settings, right_run.input, left.final_state());
  expect_near("S_4", last.split.final_state(), {0.18504956, -0.37491530, 0.58290166, 0.20613387});
  last.split.start_backward(rows(kWeights, 2, 2, 2).value());
  expect_near("G_1", last.split.adjoint_map(right.map()),
              {0.47416388, -0.20009465, -0.33456343, 0.57132413, 0.28463891, 0.24860277, -0.40412665, 0.32049241});
}

// 65536 tokens whose decays lie anywhere between 1 - 1e-7 and e^-1000: relative to the largest output, float32 stays
// within 1e-5 of the token-by-token recurrence in double, bfloat16 within the rounding of its output.
TEST(LongSequences, GatesNearZeroAndOne) {
  const Comm axis = self();
  if (world().rank() != 0) return;
  constexpr std::int64_t T = 65536, K = 8;
  for (const auto& [dtype, tolerance] : {std::pair{Dtype::float32, 1e-5}, {Dtype::bfloat16, 4e-3}}) {
    for (const auto& [G, delta] : {std::pair{std::int64_t{1}, false}, {K, false}, {std::int64_t{1}, true}}) {
      reference::Recurrence r{.T = T, .K = K, .V = K, .G = G};
      r.q = random_values(T * K, 1, dtype);
      r.k = random_values(T * K, 2, dtype);
      r.v = random_values(T * K, 3, dtype);
      r.log_decay = random_values(T * G, 4);
      for (double& g : r.log_decay) g = rounded(-std::pow(10.0, 2.5 * g - 2), Dtype::float32);
      if (delta) {
        for (double& k : r.k) k = rounded(k / std::sqrt(2.0 * K), dtype);
        r.beta = random_values(T, 5);
        for (double& b : r.beta) b = rounded(1 / (1 + std::exp(-b)), Dtype::float32);
      }
      const auto variable = [](const Values& v, std::int64_t width, Dtype type) {
        return Variable(to_tensor(v, {1, T, width}, type));
      };
      RecurrenceVariables in{variable(r.q, K, dtype), variable(r.k, K, dtype), variable(r.v, K, dtype),
                             variable(r.log_decay, G, Dtype::float32)};
      if (delta) in.beta = variable(r.beta, 1, Dtype::float32);
      Tape tape;
      const Variable o = recurrence(tape, {.chunk = 64}, in, one_document(T), axis);
      const double error = distance(to_values(o.value()), r.forward());
      EXPECT_LT(error, tolerance) << to_string(dtype) << " " << G << (delta ? " delta" : "");
      std::cout << to_string(dtype)
                << (delta    ? " delta"
                    : G == 1 ? " scalar"
                             : " channels")
                << ": error " << error << "\n";
      o.set_gradient(Tensor::zeros(o.value().shape(), dtype));
      ops::fill(o.gradient(), 1);
      tape.backward();
      for (const Variable& v : {in.q, in.k, in.v, in.log_decay}) EXPECT_TRUE(ops::all_finite(v.gradient()));
    }
  }
}

}  // namespace
}  // namespace longspan::testing
