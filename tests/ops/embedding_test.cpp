#include "ops/embedding.hpp"

#include "reference/embedding.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {
namespace {

using Indices = std::vector<std::int32_t>;

constexpr std::int64_t kRows = 10, kFirst = 20;  // of the shard

// Indices before, in and after the shard, many of them more than once.
Indices make_indices(std::int64_t N) {
  Indices index;
  for (std::int64_t n = 0; n < N; ++n) index.push_back(static_cast<std::int32_t>(15 + n * 7 % 20));
  return index;
}

TEST(Embedding, MatchesReference) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t D : {1, 31, 33, 256, 300}) {
      SCOPED_TRACE(std::format("{} D {}", to_string(dtype), D));
      const std::int64_t N = 47;
      const Indices at = make_indices(N);
      const Values rows = random_values(kRows * D, 1, dtype), grad = random_values(N * D, 2, dtype);
      const Tensor index = Tensor::from_host(at, {N}), y = Tensor::empty({N, D}, dtype);
      ops::embedding_forward(to_tensor(rows, {kRows, D}, dtype), index, kFirst, y);
      expect_close("y", y, reference::embedding(rows, kRows, D, at, kFirst));

      const Tensor dtable = to_tensor(Values(kRows * D, 1.0), {kRows, D}, accumulation_dtype(dtype));
      ops::embedding_backward(to_tensor(grad, {N, D}, dtype), index, kFirst, dtable);
      Values expected = reference::embedding_backward(grad, kRows, D, at, kFirst);
      for (double& v : expected) v += 1;
      expect_close("dtable", dtable, expected);
    }
  }
}

TEST(Embedding, BackwardMatchesFiniteDifferences) {
  const std::int64_t N = 23, D = 3;
  const Tensor index = Tensor::from_host(make_indices(N), {N});
  const Values dy = random_values(N * D, 2);
  const auto loss = [&](const Values& table) {
    const Tensor y = Tensor::empty({N, D}, Dtype::float64);
    ops::embedding_forward(to_tensor(table, {kRows, D}, Dtype::float64), index, kFirst, y);
    return dot(to_values(y), dy);
  };
  const Tensor dtable = Tensor::zeros({kRows, D}, Dtype::float64);
  ops::embedding_backward(to_tensor(dy, {N, D}, Dtype::float64), index, kFirst, dtable);
  expect_close("dtable", dtable, numeric_gradient(loss, random_values(kRows * D, 1)), kDifferenceTolerance);
}

TEST(Embedding, EmptyIsAllowedAndWrongShapesThrow) {
  const Tensor table = Tensor::zeros({4, 3}, Dtype::float32), none = Tensor::empty({0}, Dtype::int32),
               two = Tensor::zeros({2}, Dtype::int32), y = Tensor::zeros({2, 3}, Dtype::float32);
  ops::embedding_forward(table, none, 0, Tensor::empty({0, 3}, Dtype::float32));
  ops::embedding_backward(Tensor::empty({0, 3}, Dtype::float32), none, 0, table);
  ops::embedding_forward(Tensor::empty({0, 3}, Dtype::float32), two, 0, y);
  expect_close("rows of an empty shard", y, Values(6, 0.0));
  EXPECT_THROW(ops::embedding_forward(table, none, 0, y), std::logic_error);
  EXPECT_THROW(ops::embedding_forward(table, two, 0, Tensor::zeros({2, 4}, Dtype::float32)), std::logic_error);
  EXPECT_THROW(ops::embedding_backward(y, none, 0, table), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
