// Kernels on complete rows of scores, as one rank of three sees them: its queries, the keys of rank 0, 1, 2 in this
// order of columns.
#include "ops/score_rows.hpp"

#include <gtest/gtest.h>

#include "ops/attention_case.hpp"
#include "ops/matmul.hpp"
#include "reference/score_rows.hpp"
#include "support/finite_difference.hpp"
#include "tensor/device.hpp"

namespace longspan::testing {
namespace {

constexpr int kRanks = 3;

struct Rows {
  Case c;
  ShardKind kind;
  Dtype dtype;
  reference::Attention problem = make_problem(c, dtype);
  SequenceShard shard{kind, c.T, kRanks, 1};
  AttentionRules rules = rules_of(problem, shard, dtype);
  std::vector<ops::KeyColumns> columns = {};  // of each rank
  reference::ScoreRows naive = {};
  Tensor positions = {};

  Rows(const Case& sizes, ShardKind cut, Dtype type) : c(sizes), kind(cut), dtype(type) {
    naive.B = c.B, naive.H = c.H;
    naive.scale = problem.scale, naive.slopes = problem.slopes;
    naive.dropout = problem.dropout, naive.dropout_key = problem.dropout_key;
    naive.query_position = shard.positions();
    naive.begin = gather(problem.begin, c.T, 1, shard.positions());
    naive.end = gather(problem.end, c.T, 1, shard.positions());
    for (int owner = 0; owner < kRanks; ++owner) {
      columns.push_back({naive.T(), shard.runs(owner)});
      for (const auto at : shard.of_part(owner).positions()) naive.key_position.push_back(at);
    }
    const std::vector<std::int32_t> at(naive.key_position.begin(), naive.key_position.end());
    positions = Tensor::from_host(at, {c.T});
  }

  Dtype sums() const { return accumulation_dtype(dtype); }
  Shape shape() const { return {c.B, c.H, naive.n(), c.T}; }
  std::int64_t size() const { return shape().size(); }
  Shape queries() const { return {c.B, c.H, naive.n(), c.K}; }
  Shape keys(int owner) const { return {c.B, c.Hk, shard.local_length(owner), c.K}; }
  bool sees(std::int64_t at) const { return naive.sees(at / c.T, at % c.T); }

  // Random rows; 0, or NaN, where nobody sees.
  Values random_rows(std::uint64_t key, Dtype d, double hidden) const {
    Values x = random_values(size(), key, d);
    for (std::int64_t i = 0; i < size(); ++i) {
      if (!sees(i)) x[static_cast<std::size_t>(i)] = hidden;
    }
    return x;
  }
};

std::vector<Rows> cases(Dtype dtype) {
  const std::vector<std::vector<std::int64_t>> documents = {{0, 20, 31}, {0, 3, 4, 50}};
  std::vector<Rows> all;
  for (const auto kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    all.emplace_back(Case{.H = 2, .Hk = 1, .T = 450, .K = 4, .mask = {true, 0}}, kind, dtype);  // several tiles
    for (const std::int64_t T : {1, 7, 40}) {
      all.emplace_back(Case{.H = 2, .Hk = 1, .T = T, .mask = {true, 0}}, kind, dtype);
      all.emplace_back(Case{.B = 2, .H = 6, .Hk = 2, .T = T, .K = 5, .mask = {false, 0}, .alibi = true}, kind, dtype);
      all.emplace_back(Case{.B = 2, .H = 2, .Hk = 2, .T = T, .mask = {true, 9}, .documents = documents, .dropout = 0.3},
                       kind, dtype);
    }
  }
  return all;
}

class ScoreRows : public ::testing::TestWithParam<Dtype> {};
INSTANTIATE_TEST_SUITE_P(Dtypes, ScoreRows, ::testing::ValuesIn(kFloatDtypes),
                         [](const auto& info) { return to_string(info.param); });

TEST_P(ScoreRows, SoftmaxMatchesReferenceAndReadsNoHiddenScore) {
  for (const Rows& r : cases(GetParam())) {
    const Values s = r.random_rows(5, r.sums(), NAN);
    const Tensor p = Tensor::empty(r.shape(), r.dtype);
    ops::softmax_rows(r.rules, r.positions, to_tensor(s, r.shape(), r.sums()), p);
    expect_close("p", p, r.naive.softmax(s));
  }
}

TEST_P(ScoreRows, SoftmaxBackwardMatchesReference) {
  for (const Rows& r : cases(GetParam())) {
    Values p = r.naive.softmax(r.random_rows(5, r.sums(), NAN));
    for (double& x : p) x = rounded(x, r.dtype);
    const Values dp = r.random_rows(6, r.sums(), NAN);
    const Tensor ds = Tensor::empty(r.shape(), r.dtype);
    ops::softmax_rows_backward(r.rules, r.positions, to_tensor(p, r.shape(), r.dtype),
                               to_tensor(dp, r.shape(), r.sums()), ds);
    expect_close("ds", ds, r.naive.backward(p, dp));
  }
}

TEST_P(ScoreRows, DropoutDrawsTheSameWeightsAsTheReference) {
  const Rows r({.B = 2, .H = 2, .Hk = 1, .T = 40, .mask = {false, 0}, .dropout = 0.25}, ShardKind::zigzag, GetParam());
  const Values p = r.random_rows(5, r.dtype, 0);
  const Tensor pz = Tensor::empty(r.shape(), r.dtype);
  ops::drop_row_weights(r.rules, r.positions, to_tensor(p, r.shape(), r.dtype), pz);
  Values expected = p;
  for (std::int64_t i = 0; i < r.size(); ++i)
    expected[static_cast<std::size_t>(i)] *= r.naive.kept(i / r.c.T, i % r.c.T);
  expect_close("pz", pz, expected);
}

// All three products of every rank's block against loops.
TEST_P(ScoreRows, ProductsMatchReference) {
  for (const Rows& r : cases(GetParam())) {
    const std::int64_t n = r.naive.n(), T = r.c.T, K = r.c.K, group = r.c.H / r.c.Hk;
    const Values a = random_values(r.queries().size(), 7, r.dtype), w = r.random_rows(8, r.dtype, 0);
    const Tensor queries = to_tensor(a, r.queries(), r.dtype), rows = to_tensor(w, r.shape(), r.dtype);
    const Tensor products = Tensor::zeros(r.shape(), r.sums()), out = Tensor::zeros(r.queries(), r.sums());
    Values expected_products(static_cast<std::size_t>(r.size())), expected_out(a.size());
    for (int owner = 0; owner < kRanks; ++owner) {
      const std::int64_t m = r.shard.local_length(owner), first = r.columns[owner].first;
      const Values b = random_values(r.keys(owner).size(), 9 + owner, r.dtype);
      const Tensor keys = to_tensor(b, r.keys(owner), r.dtype), key_sums = Tensor::zeros(r.keys(owner), r.sums());
      ops::multiply_to_rows(r.rules, queries, keys, r.columns[owner], products);
      ops::add_rows_times_keys(r.rules, rows, keys, r.columns[owner], out);
      ops::add_rows_times_queries(r.rules, rows, queries, r.columns[owner], key_sums);
      Values expected_sums(b.size());
      for (std::int64_t row = 0; row < r.c.B * r.c.H * n; ++row) {
        const std::int64_t head = row / n / group;  // of the keys, over all sequences
        for (std::int64_t j = 0; j < m; ++j) {
          for (std::int64_t c = 0; c < K; ++c) {
            const double key = b[(head * m + j) * K + c], weight = w[row * T + first + j];
            expected_products[row * T + first + j] += a[row * K + c] * key;
            expected_out[row * K + c] += weight * key;
            expected_sums[(head * m + j) * K + c] += weight * a[row * K + c];
          }
        }
      }
      expect_close("rows times queries", key_sums, expected_sums);
    }
    expect_close("rows times keys", out, expected_out);
    Values seen = to_values(products);
    for (std::int64_t i = 0; i < r.size(); ++i) {
      if (!r.sees(i)) seen[static_cast<std::size_t>(i)] = expected_products[static_cast<std::size_t>(i)] = 0;
    }
    EXPECT_LE(distance(seen, expected_products), tolerance(r.sums())) << "products";
  }
}

TEST_P(ScoreRows, RowsThatSeeNoKeyGiveZeros) {
  Rows r({.B = 2, .H = 2, .Hk = 1, .T = 21, .mask = {true, 0}}, ShardKind::contiguous, GetParam());
  r.rules.visible_end =
      Indices(std::vector<std::int32_t>(static_cast<std::size_t>(r.c.B * r.naive.n())), {r.c.B, r.naive.n()});
  const Tensor nothing = to_tensor(Values(static_cast<std::size_t>(r.size()), NAN), r.shape(), r.sums());
  const Tensor p = Tensor::empty(r.shape(), r.dtype), ds = Tensor::empty(r.shape(), r.dtype);
  ops::softmax_rows(r.rules, r.positions, to_tensor(to_values(nothing), r.shape(), r.sums()), p);
  ops::softmax_rows_backward(r.rules, r.positions, p, nothing, ds);
  EXPECT_EQ(to_values(p), Values(static_cast<std::size_t>(r.size())));
  EXPECT_EQ(to_values(ds), Values(static_cast<std::size_t>(r.size())));
}

TEST_P(ScoreRows, HugeScoresStayFinite) {
  const Rows r({.H = 2, .Hk = 1, .T = 30, .mask = {true, 0}}, ShardKind::zigzag, GetParam());
  Values s = r.random_rows(5, r.sums(), NAN);
  for (double& x : s) x = rounded(1e6 * x, r.sums());
  const Tensor p = Tensor::empty(r.shape(), r.dtype);
  ops::softmax_rows(r.rules, r.positions, to_tensor(s, r.shape(), r.sums()), p);
  for (const double x : to_values(p)) EXPECT_TRUE(x >= 0 && x <= 1);
}

// d/ds of sum(w z softmax(s)) by the kernels against central differences.
TEST(ScoreRowsGradient, MatchesCentralDifferences) {
  const Rows r({.H = 2, .Hk = 1, .T = 9, .mask = {true, 5}, .alibi = true, .dropout = 0.3}, ShardKind::striped,
               Dtype::float64);
  const Values s = r.random_rows(5, r.dtype, 0), w = r.random_rows(6, r.dtype, 0);
  const auto weights = [&](const Values& x) {
    const Tensor p = Tensor::empty(r.shape(), r.dtype);
    ops::softmax_rows(r.rules, r.positions, to_tensor(x, r.shape(), r.dtype), p);
    return p;
  };
  const auto loss = [&](const Values& x) {
    const Tensor pz = Tensor::empty(r.shape(), r.dtype);
    ops::drop_row_weights(r.rules, r.positions, weights(x), pz);
    return dot(to_values(pz), w);
  };
  const Tensor ds = Tensor::empty(r.shape(), r.dtype);
  ops::softmax_rows_backward(r.rules, r.positions, weights(s), to_tensor(w, r.shape(), r.dtype), ds);
  EXPECT_LE(distance(to_values(ds), numeric_gradient(loss, s)), kDifferenceTolerance);
}

TEST(ScoreRowsProducts, HiddenTilesAreNotMultiplied) {
  // As many tiles, which are larger on a GPU.
  const Rows r({.T = device::host_accessible() ? 3072 : 12288, .K = 4, .mask = {true, 0}}, ShardKind::contiguous,
               Dtype::float32);
  const Tensor q = Tensor::zeros(r.queries(), r.dtype), rows = Tensor::zeros(r.shape(), r.dtype);
  const double before = ops::matmul_flops();
  double pairs = 0;
  for (std::size_t i = 0; i < r.naive.begin.size(); ++i) pairs += r.naive.end[i] - r.naive.begin[i];
  for (int owner = 0; owner < kRanks; ++owner) {
    ops::multiply_to_rows(r.rules, q, Tensor::zeros(r.keys(owner), r.dtype), r.columns[owner], rows);
  }
  EXPECT_LE((ops::matmul_flops() - before) / (2.0 * static_cast<double>(r.c.K) * pairs), 1.05);
}

TEST(ScoreRowsProducts, BlocksOutsideTheRowsAreRefused) {
  const Rows r({.T = 12, .mask = {true, 0}}, ShardKind::contiguous, Dtype::float32);
  const Tensor q = Tensor::zeros(r.queries(), r.dtype), rows = Tensor::zeros(r.shape(), r.dtype),
               k = Tensor::zeros(r.keys(0), r.dtype);
  EXPECT_ANY_THROW(ops::multiply_to_rows(r.rules, q, k, {.first = 9, .runs = r.columns[0].runs}, rows));
  EXPECT_ANY_THROW(ops::softmax_rows(r.rules, r.positions.slice(0, 3), rows, rows));
}

}  // namespace
}  // namespace longspan::testing
