#include "ops/cross_entropy.hpp"

#include "ops/elementwise.hpp"
#include "reference/cross_entropy.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {
namespace {

using reference::CrossEntropy;

CrossEntropy make_problem(std::int64_t N, std::int64_t V, Dtype dtype) {
  CrossEntropy p{.N = N, .V = V, .logits = random_values(N * V, 1, dtype), .target = {}};
  for (std::int64_t n = 0; n < N; ++n) p.target.push_back(n % 5 == 3 ? -1 : static_cast<std::int32_t>(n * 7 % V));
  return p;
}

struct Result {
  double total;
  Tensor lse, losses;
  std::vector<Tensor> gradients;  // of every rank
};

Values columns(const CrossEntropy& p, const Values& all, std::int64_t first, std::int64_t count) {
  Values part;
  for (std::int64_t n = 0; n < p.N; ++n) {
    for (std::int64_t c = 0; c < count; ++c) part.push_back(all[n * p.V + first + c]);
  }
  return part;
}

// The vocabulary is cut at `cuts` (from 0 to V), as over ranks, and each rank's part once more in the middle; what
// ranks would combine is combined on the host.
Result run(const CrossEntropy& p, const std::vector<std::int64_t>& cuts, double factor, Dtype dtype) {
  const Dtype wide = accumulation_dtype(dtype);
  const Tensor target = Tensor::from_host(p.target, {p.N});
  const auto block = [&](std::int64_t first, std::int64_t end) {
    return to_tensor(columns(p, p.logits, first, end - first), {p.N, end - first}, dtype);
  };
  std::vector<Tensor> blocks;
  std::vector<ops::SoftmaxRows> ranks;
  Values largest(p.N, -INFINITY), sums(p.N, 0.0), picked(p.N, 0.0);
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r) {
    const std::int64_t middle = (cuts[r] + cuts[r + 1]) / 2;
    const ops::SoftmaxRows rows{Tensor::empty({p.N}, wide), Tensor::empty({p.N}, wide), Tensor::empty({p.N}, wide), {}};
    ops::begin_softmax(rows);
    ops::take_columns(block(cuts[r], middle), target, cuts[r], rows);
    ops::take_columns(block(middle, cuts[r + 1]), target, middle, rows);
    const Values local = to_values(rows.maxima);
    for (std::int64_t n = 0; n < p.N; ++n) largest[n] = std::max(largest[n], local[n]);
    blocks.push_back(block(cuts[r], cuts[r + 1]));
    ranks.push_back(rows);
  }
  const Tensor maxima = to_tensor(largest, {p.N}, wide);
  for (const ops::SoftmaxRows& rows : ranks) {
    ops::rebase_sums(rows.maxima, maxima, rows.sums);
    const Values sum = to_values(rows.sums), logit = to_values(rows.target_logit);
    for (std::int64_t n = 0; n < p.N; ++n) sums[n] += sum[n], picked[n] += logit[n];
  }
  Result result{0, maxima, Tensor::empty({p.N}, wide), blocks};
  ops::finish_cross_entropy(maxima, to_tensor(sums, {p.N}, wide), to_tensor(picked, {p.N}, wide), target, maxima,
                            result.losses);
  const Tensor total = Tensor::zeros({1}, Dtype::float64);
  ops::add_sum(result.losses, total);
  result.total = to_values(total)[0];
  for (std::size_t r = 0; r < blocks.size(); ++r) ops::softmax_gradient(blocks[r], maxima, target, cuts[r], factor);
  return result;
}

void expect_reference(const CrossEntropy& p, const std::vector<std::int64_t>& cuts, Dtype dtype, double slack = 1) {
  const Result got = run(p, cuts, 0.5, dtype);
  Values lse, losses;
  for (std::int64_t n = 0; n < p.N; ++n) lse.push_back(p.lse(n)), losses.push_back(p.loss(n));
  const double limit = slack * tolerance(got.lse.dtype());
  EXPECT_NEAR(got.total, p.total(), limit * std::max(1.0, p.total()));
  expect_close("lse", got.lse, lse);
  expect_close("losses", got.losses, losses, limit);
  for (std::size_t r = 0; r < got.gradients.size(); ++r) {
    expect_close("gradient", got.gradients[r], columns(p, p.gradient(0.5), cuts[r], cuts[r + 1] - cuts[r]),
                 slack * tolerance(dtype));
  }
}

TEST(CrossEntropy, MatchesReference) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t V : {1, 31, 33, 256}) {
      for (const std::int64_t N : {1, 37}) {
        SCOPED_TRACE(std::format("{} N {} V {}", to_string(dtype), N, V));
        expect_reference(make_problem(N, V, dtype), {0, V}, dtype);
      }
    }
  }
}

TEST(CrossEntropy, AShardedVocabularyGivesTheSame) {
  for (const Dtype dtype : kFloatDtypes) expect_reference(make_problem(21, 70, dtype), {0, 30, 30, 69, 70}, dtype);
}

TEST(CrossEntropy, HugeAndForbiddenLogitsAreHarmless) {
  for (const Dtype dtype : kFloatDtypes) {
    CrossEntropy p{
        .N = 2, .V = 4, .logits = {1000, -INFINITY, 996, -1000, -INFINITY, -INFINITY, 3, 3}, .target = {0, 2}};
    // lse near 1000 has steps of 6e-5 in float32. The first of two ranks sees only forbidden logits in row 1.
    expect_reference(p, {0, 4}, dtype, 50);
    expect_reference(p, {0, 2, 4}, dtype, 50);
  }
}

TEST(CrossEntropy, ARowOfOnlyForbiddenLogitsGivesNoNan) {
  for (const Dtype dtype : kFloatDtypes) {
    const Dtype wide = accumulation_dtype(dtype);
    const Tensor z = to_tensor(Values(3, -INFINITY), {1, 3}, dtype), target = Tensor::zeros({1}, Dtype::int32);
    const ops::SoftmaxRows rows{Tensor::empty({1}, wide), Tensor::empty({1}, wide), Tensor::empty({1}, wide), {}};
    ops::begin_softmax(rows);
    ops::take_columns(z, target, 0, rows);
    expect_close("maximum", rows.maxima, {-INFINITY});
    expect_close("sum", rows.sums, {0.0});
    ops::rebase_sums(rows.maxima, rows.maxima, rows.sums);
    expect_close("sum", rows.sums, {0.0});
    ops::softmax_gradient(z, rows.maxima, target, 0, 2);
    expect_close("gradient", z, {-2.0, 0.0, 0.0});
  }
}

TEST(CrossEntropy, GradientMatchesFiniteDifferences) {
  const CrossEntropy p = make_problem(5, 7, Dtype::float64);
  const auto loss = [&](const Values& logits) {
    CrossEntropy at = p;
    at.logits = logits;
    return 3 * run(at, {0, 7}, 3, Dtype::float64).total;
  };
  const Result got = run(p, {0, 7}, 3, Dtype::float64);
  expect_close("gradient", got.gradients[0], numeric_gradient(loss, p.logits), kDifferenceTolerance);
}

TEST(CrossEntropy, EmptyIsAllowedAndWrongShapesThrow) {
  EXPECT_EQ(run(make_problem(0, 4, Dtype::float32), {0, 4}, 1, Dtype::float32).total, 0);
  const Tensor z = Tensor::zeros({3, 4}, Dtype::float32), three = Tensor::zeros({3}, Dtype::float32),
               four = Tensor::zeros({4}, Dtype::float32), target = Tensor::zeros({3}, Dtype::int32);
  EXPECT_THROW(ops::take_columns(z, target, 0, {three, four, three, {}}), std::logic_error);
  EXPECT_THROW(ops::rebase_sums(three, four, three), std::logic_error);
  EXPECT_THROW(ops::softmax_gradient(z, four, target, 0, 1), std::logic_error);
  EXPECT_THROW(ops::finish_cross_entropy(three, three, four, target, three, three), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
