// The head and its loss over a vocabulary sharded over all ranks of the test, against one rank that holds all of it.
#include "autograd/functions/linear_cross_entropy.hpp"

#include <algorithm>
#include <cmath>

#include "autograd/gradient_check.hpp"
#include "layout/split.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

constexpr std::int64_t D = 4;
constexpr double kFactor = 0.25;

struct Case {
  std::int64_t vocabulary;
  std::vector<std::int32_t> targets;
  ops::LossRule rule = {};

  std::int64_t rows() const { return static_cast<std::int64_t>(targets.size()); }
  Values x() const { return random_values(rows() * D, 1); }
  Values weight() const { return random_values(vocabulary * D, 2); }
};

struct Result {
  double loss;
  double correct;
  Values dx, dweight;  // dweight: of the rank's part
};

Result run(const Case& c, const Comm& axis, const Values& x_values, const Values& weight_values) {
  const Range part = split(c.vocabulary, axis.size(), axis.rank());
  const Values rows(weight_values.begin() + part.begin * D, weight_values.begin() + part.end * D);
  const Variable x(tensor_as<double>(x_values, {c.rows(), D}));
  const Variable weight =
      Variable::parameter(tensor_as<double>(rows, {part.size(), D}), Tensor::zeros({part.size(), D}, Dtype::float64));
  Tape tape;
  const AnswerSums answers;
  linear_cross_entropy(tape, x, weight, Tensor::from_host(c.targets, {c.rows()}), part.begin, kFactor, axis, answers,
                       c.rule);
  tape.backward();
  axis.all_reduce(x.gradient());  // each rank has a part
  return {to_values(answers.loss())[0], to_values(answers.correct())[0], to_values(x.gradient()),
          to_values(weight.gradient())};
}

Result run(const Case& c, const Comm& axis) { return run(c, axis, c.x(), c.weight()); }

void expect_like_one_rank(const Case& c) {
  const Comm self = world().split("self", world().rank(), 0);
  const Result one = run(c, self), many = run(c, world());
  const Range part = split(c.vocabulary, world().size(), world().rank());
  const Values mine(one.dweight.begin() + part.begin * D, one.dweight.begin() + part.end * D);
  EXPECT_NEAR(many.loss, one.loss, 1e-13 * std::max(10.0, one.loss));
  EXPECT_EQ(many.correct, one.correct);
  EXPECT_LT(distance(many.dx, one.dx), 1e-13);
  EXPECT_LT(distance(many.dweight, mine), 1e-13);
}

TEST(LinearCrossEntropy, UnevenShardsGiveOneRanksLossAndGradients) { expect_like_one_rank({11, {0, 10, 5, 3, 7, 2}}); }

TEST(LinearCrossEntropy, VocabularySmallerThanTheRanks) { expect_like_one_rank({2, {1, 0, 1}}); }

TEST(LinearCrossEntropy, VocabularyOfOneHasNoLoss) {
  expect_like_one_rank({1, {0, 0}});
  EXPECT_EQ(run({1, {0, 0}}, world()).loss, 0);
}

TEST(LinearCrossEntropy, SeveralBlocksOfWords) {
  Case c{70001, {}};
  for (std::int32_t i = 0; i < 40; ++i) c.targets.push_back(i * 1700);
  expect_like_one_rank(c);
}

TEST(LinearCrossEntropy, SeveralBlocksOfRows) {
  Case c{13, {}};
  for (std::int32_t i = 0; i < 4100; ++i) c.targets.push_back(i % 17 == 5 ? -1 : i * 7 % 13);
  expect_like_one_rank(c);
}

// Targets that are the largest of their row's logits, computed here; a row without a target is no answer.
TEST(LinearCrossEntropy, CountsRightAnswers) {
  Case c{5, std::vector<std::int32_t>(6)};
  const Values x = c.x(), weight = c.weight();
  for (std::int64_t n = 0; n < 6; ++n) {
    std::int32_t best = 0;
    const auto logit = [&](std::int32_t v) {
      double sum = 0;
      for (std::int64_t d = 0; d < D; ++d) sum += x[n * D + d] * weight[v * D + d];
      return sum;
    };
    for (std::int32_t v = 1; v < 5; ++v) best = logit(v) > logit(best) ? v : best;
    c.targets[n] = n < 3 ? best : n < 5 ? (best + 1) % 5 : -1;
  }
  EXPECT_EQ(run(c, world()).correct, 3);
  expect_like_one_rank(c);
}

TEST(LinearCrossEntropy, IgnoresRowsWithoutATarget) {
  const Case some{7, {3, -1, 6, -1}}, only{7, {3, 6}};
  const Values x = some.x();
  Values kept(x.begin(), x.begin() + D);
  kept.insert(kept.end(), x.begin() + 2 * D, x.begin() + 3 * D);
  const Result a = run(some, world()), b = run(only, world(), kept, only.weight());
  EXPECT_NEAR(a.loss, b.loss, 1e-13);
  EXPECT_LT(distance(a.dweight, b.dweight), 1e-14);
  for (std::int64_t i = 0; i < D; ++i) {
    EXPECT_EQ(a.dx[static_cast<std::size_t>(D + i)], 0);
    EXPECT_EQ(a.dx[static_cast<std::size_t>(3 * D + i)], 0);
  }
}

void expect_right_gradients(const Case& c) {
  const Result r = run(c, world());
  const Range part = split(c.vocabulary, world().size(), world().rank());
  const Values dx =
      numeric_gradient([&](const Values& x) { return kFactor * run(c, world(), x, c.weight()).loss; }, c.x());
  const Values dw =
      numeric_gradient([&](const Values& w) { return kFactor * run(c, world(), c.x(), w).loss; }, c.weight());
  EXPECT_LT(distance(r.dx, dx), kDifferenceTolerance);
  EXPECT_LT(distance(r.dweight, Values(dw.begin() + part.begin * D, dw.begin() + part.end * D)), kDifferenceTolerance);
}

TEST(LinearCrossEntropy, GradientsMatchCentralDifferences) {
  const std::vector<std::int32_t> targets = {3, -1, 6, 0};
  expect_right_gradients({7, targets});
  expect_right_gradients({7, targets, {.smoothing = 0.2, .vocabulary = 7}});
  expect_right_gradients({7, targets, {.z_loss = 0.3}});
  const Case both{7, targets, {.smoothing = 0.2, .z_loss = 0.3, .vocabulary = 7}};
  expect_right_gradients(both);
  expect_like_one_rank(both);
}

// As the formulas say, word by word.
TEST(LinearCrossEntropy, SmoothedTargetsAndThePenaltyAreTheirFormulas) {
  const Case c{7, {3, -1, 6, 0}, {.smoothing = 0.2, .z_loss = 0.3, .vocabulary = 7}};
  const Values x = c.x(), weight = c.weight();
  double loss = 0;
  for (std::int64_t n = 0; n < c.rows(); ++n) {
    if (c.targets[n] < 0) continue;
    Values z(7, 0.0);
    double sum = 0;
    for (std::int64_t v = 0; v < 7; ++v) {
      for (std::int64_t d = 0; d < D; ++d) z[v] += x[n * D + d] * weight[v * D + d];
      sum += std::exp(z[v]);
    }
    for (std::int64_t v = 0; v < 7; ++v) {
      const double share = 0.2 / 7 + (v == c.targets[n] ? 0.8 : 0);
      loss -= share * (z[v] - std::log(sum));
    }
    loss += 0.3 * std::log(sum) * std::log(sum);
  }
  EXPECT_NEAR(run(c, world()).loss, loss, 1e-12);
}

}  // namespace
}  // namespace longspan::testing
