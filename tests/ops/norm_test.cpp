#include "ops/norm.hpp"

#include "reference/norm.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {
namespace {

using reference::Norm;

Norm make_problem(bool centred, std::int64_t N, std::int64_t D, Dtype dtype) {
  Norm p;
  p.N = N, p.D = D, p.centred = centred;
  p.epsilon = 1e-2;
  p.x = random_values(N * D, 1, dtype);
  p.weight = random_values(D, 2, dtype);
  p.bias = random_values(D, 3, dtype);
  return p;
}

struct Passes {
  Tensor y, mean, rstd, dx, dweight, dbias;
};

// dx_before: what dx holds already; empty: dx is overwritten. dweight and dbias start at 1.
Passes run(const Norm& p, const Values& dy_values, const Values& dx_before, Dtype dtype) {
  const Shape shape = {p.N, p.D};
  const Dtype wide = accumulation_dtype(dtype);
  const Tensor x = to_tensor(p.x, shape, dtype), weight = to_tensor(p.weight, {p.D}, dtype),
               bias = to_tensor(p.bias, {p.D}, dtype), dy = to_tensor(dy_values, shape, dtype);
  const bool accumulate = !dx_before.empty();
  const Passes r{Tensor::empty(shape, dtype),
                 Tensor::empty({p.N}, wide),
                 Tensor::empty({p.N}, wide),
                 accumulate ? to_tensor(dx_before, shape, dtype) : Tensor::empty(shape, dtype),
                 to_tensor(Values(p.D, 1.0), {p.D}, wide),
                 to_tensor(Values(p.D, 1.0), {p.D}, wide)};
  if (p.centred) {
    ops::layer_norm_forward(x, weight, bias, p.epsilon, r.y, r.mean, r.rstd);
    ops::layer_norm_backward(x, weight, r.mean, r.rstd, dy, r.dx, accumulate, r.dweight, r.dbias);
  } else {
    ops::rms_norm_forward(x, weight, p.epsilon, r.y, r.rstd);
    ops::rms_norm_backward(x, weight, r.rstd, dy, r.dx, accumulate, r.dweight);
  }
  return r;
}

Values sum(Values a, const Values& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

void expect_reference(bool centred) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t D : {1, 31, 33, 256}) {
      for (const std::int64_t N : {1, 32, 101}) {
        SCOPED_TRACE(std::format("{} N {} D {}", to_string(dtype), N, D));
        const Norm p = make_problem(centred, N, D, dtype);
        const Values dy = random_values(N * D, 4, dtype), before = random_values(N * D, 5, dtype);
        const auto expected = p.backward(dy);
        const Passes fresh = run(p, dy, {}, dtype), added = run(p, dy, before, dtype);
        expect_close("y", fresh.y, p.forward());
        expect_close("dx", fresh.dx, expected.dx);
        expect_close("dx added", added.dx, sum(before, expected.dx));
        expect_close("dweight", fresh.dweight, sum(Values(D, 1.0), expected.dweight));
        if (centred) expect_close("dbias", fresh.dbias, sum(Values(D, 1.0), expected.dbias));
      }
    }
  }
}

TEST(LayerNorm, MatchesReference) { expect_reference(true); }
TEST(RmsNorm, MatchesReference) { expect_reference(false); }

void expect_finite_differences(bool centred) {
  const Norm p = make_problem(centred, 3, 7, Dtype::float64);
  const Values dy = random_values(21, 4);
  const auto loss = [&](const Norm& at) { return dot(to_values(run(at, dy, {}, Dtype::float64).y), dy); };
  const auto gradient = [&](Values Norm::* input) {
    const auto varied = [&](const Values& values) {
      Norm q = p;
      q.*input = values;
      return loss(q);
    };
    return numeric_gradient(varied, p.*input);
  };
  const Passes r = run(p, dy, {}, Dtype::float64);
  const Values ones(7, 1.0);
  expect_close("dx", r.dx, gradient(&Norm::x), kDifferenceTolerance);
  expect_close("dweight", r.dweight, sum(ones, gradient(&Norm::weight)), kDifferenceTolerance);
  if (centred) expect_close("dbias", r.dbias, sum(ones, gradient(&Norm::bias)), kDifferenceTolerance);
}

TEST(LayerNorm, BackwardMatchesFiniteDifferences) { expect_finite_differences(true); }
TEST(RmsNorm, BackwardMatchesFiniteDifferences) { expect_finite_differences(false); }

TEST(Norm, NoRowsAddNothing) {
  for (const bool centred : {true, false}) {
    const Passes r = run(make_problem(centred, 0, 5, Dtype::float32), {}, {}, Dtype::float32);
    expect_close("dweight", r.dweight, Values(5, 1.0));
    expect_close("dbias", r.dbias, Values(5, 1.0));
  }
}

TEST(Norm, WrongShapesThrow) {
  const Tensor x = Tensor::zeros({3, 4}, Dtype::float32), four = Tensor::zeros({4}, Dtype::float32),
               three = Tensor::zeros({3}, Dtype::float32);
  EXPECT_THROW(ops::layer_norm_forward(x, three, four, 0, x, three, three), std::logic_error);
  EXPECT_THROW(ops::layer_norm_forward(x, four, three, 0, x, three, three), std::logic_error);
  EXPECT_THROW(ops::layer_norm_forward(x, four, four, 0, x, four, three), std::logic_error);
  EXPECT_THROW(ops::layer_norm_backward(x, four, three, three, four, x, false, four, four), std::logic_error);
  EXPECT_THROW(ops::rms_norm_forward(x, four, 0, four, three), std::logic_error);
  EXPECT_THROW(ops::rms_norm_backward(x, four, three, x, x, false, three), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
