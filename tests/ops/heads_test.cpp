#include "ops/heads.hpp"

#include "reference/heads.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {
namespace {

using reference::Heads;

ops::RotaryTable table_of(const Heads& p, Dtype dtype) {
  if (p.positions.empty()) return {};
  return ops::make_rotary_table(p.positions, p.K, p.base, dtype);
}

Tensor split(const Heads& p, const Values& x, Dtype dtype) {
  const Tensor heads = Tensor::empty({p.B, p.H, p.T, p.K}, dtype);
  ops::split_heads(to_tensor(x, {p.B, p.T, p.H * p.K}, dtype), table_of(p, dtype), heads);
  return heads;
}

// Positions of a zigzag shard: two runs.
std::vector<std::int32_t> positions(std::int64_t T) {
  std::vector<std::int32_t> p;
  for (std::int64_t t = 0; t < T; ++t) p.push_back(static_cast<std::int32_t>(t < T / 2 ? 100 + t : 5000 + t));
  return p;
}

std::vector<Heads> problems() {
  std::vector<Heads> all;
  for (const std::int64_t T : {1, 31, 33, 256}) {
    all.push_back({.B = 2, .T = T, .H = 3, .K = 16, .positions = positions(T)});
    all.push_back({.B = 1, .T = T, .H = 1, .K = 2, .positions = positions(T)});
    all.push_back({.B = 2, .T = T, .H = 2, .K = 7, .positions = {}});
  }
  return all;
}

TEST(Heads, SplitAndMergeMatchReference) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const Heads& p : problems()) {
      SCOPED_TRACE(std::format("{} T {} K {}", to_string(dtype), p.T, p.K));
      const std::int64_t size = p.B * p.T * p.H * p.K;
      const Values x = random_values(size, 1, dtype), dheads = random_values(size, 2, dtype);
      expect_close("heads", split(p, x, dtype), p.split(x));

      const Tensor heads = to_tensor(dheads, {p.B, p.H, p.T, p.K}, dtype);
      const Tensor dx = to_tensor(x, {p.B, p.T, p.H * p.K}, dtype);
      Values expected = p.merge(dheads);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += x[i];
      ops::merge_heads(heads, table_of(p, dtype), dx, true);
      expect_close("added", dx, expected);
      ops::merge_heads(heads, table_of(p, dtype), dx);
      expect_close("written", dx, p.merge(dheads));
    }
  }
}

TEST(Heads, MergeIsTheGradientOfSplit) {
  const Heads p = {.B = 2, .T = 3, .H = 2, .K = 4, .positions = {0, 1, 900}};
  const Values x = random_values(48, 1), grad = random_values(48, 2);
  const auto loss = [&](const Values& at) { return dot(to_values(split(p, at, Dtype::float64)), grad); };
  const Tensor dx = Tensor::empty({p.B, p.T, p.H * p.K}, Dtype::float64);
  ops::merge_heads(to_tensor(grad, {p.B, p.H, p.T, p.K}, Dtype::float64), table_of(p, Dtype::float64), dx);
  expect_close("dx", dx, numeric_gradient(loss, x), kDifferenceTolerance);
}

TEST(Heads, EmptyIsAllowedAndWrongShapesThrow) {
  const Tensor x = Tensor::zeros({2, 3, 8}, Dtype::float32), heads = Tensor::zeros({2, 2, 3, 4}, Dtype::float32);
  ops::split_heads(Tensor::empty({2, 0, 8}, Dtype::float32), {}, Tensor::empty({2, 2, 0, 4}, Dtype::float32));
  ops::merge_heads(Tensor::empty({2, 2, 0, 4}, Dtype::float32), {}, Tensor::empty({2, 0, 8}, Dtype::float32));
  EXPECT_THROW(ops::split_heads(x, {}, Tensor::zeros({2, 2, 4, 4}, Dtype::float32)), std::logic_error);
  EXPECT_THROW(ops::split_heads(x, {}, Tensor::zeros({2, 3, 8}, Dtype::float32)), std::logic_error);
  EXPECT_THROW(ops::merge_heads(heads, {}, Tensor::zeros({2, 3, 9}, Dtype::float32)), std::logic_error);
  const std::vector<std::int32_t> four(4);
  EXPECT_THROW(ops::split_heads(x, ops::make_rotary_table(four, 4, 10000, Dtype::float32), heads), std::logic_error);
  EXPECT_THROW(ops::make_rotary_table(four, 5, 10000, Dtype::float32), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
