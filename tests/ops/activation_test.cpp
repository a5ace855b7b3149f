#include "ops/activation.hpp"

#include "reference/activation.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {
namespace {

using ops::Activation;

template <class F>
Values mapped(const Values& x, F f) {
  Values y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = f(x[i]);
  return y;
}

void expect_reference(Activation kind, double (*value)(double), double (*derivative)(double)) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t cols : {1, 31, 33, 256}) {
      SCOPED_TRACE(std::format("{} cols {}", to_string(dtype), cols));
      const Shape shape = {33, cols};
      const Values in = random_values(shape.size(), 1, dtype), grad = random_values(shape.size(), 2, dtype);
      const Tensor x = to_tensor(in, shape, dtype), dy = to_tensor(grad, shape, dtype), y = Tensor::empty(shape, dtype);
      ops::activation_forward(kind, x, y);
      expect_close("y", y, mapped(in, value));
      ops::activation_backward(kind, x, dy, dy);
      Values expected = mapped(in, derivative);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= grad[i];
      expect_close("dx over dy", dy, expected);
    }
  }
}

TEST(Activation, GeluMatchesReference) {
  expect_reference(Activation::gelu, reference::gelu, reference::gelu_derivative);
}
TEST(Activation, SiluMatchesReference) {
  expect_reference(Activation::silu, reference::silu, reference::silu_derivative);
}

TEST(Activation, BackwardMatchesFiniteDifferences) {
  const Shape shape = {3, 11};
  const Values in = random_values(shape.size(), 1), grad = random_values(shape.size(), 2);
  for (const Activation kind : {Activation::gelu, Activation::silu}) {
    const auto loss = [&](const Values& x) {
      const Tensor y = Tensor::empty(shape, Dtype::float64);
      ops::activation_forward(kind, to_tensor(x, shape, Dtype::float64), y);
      return dot(to_values(y), grad);
    };
    const Tensor dx = Tensor::empty(shape, Dtype::float64);
    ops::activation_backward(kind, to_tensor(in, shape, Dtype::float64), to_tensor(grad, shape, Dtype::float64), dx);
    expect_close("dx", dx, numeric_gradient(loss, in), kDifferenceTolerance);
  }
}

TEST(Swiglu, MatchesReference) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t cols : {1, 31, 33, 256}) {
      SCOPED_TRACE(std::format("{} cols {}", to_string(dtype), cols));
      const Shape shape = {5, cols};
      const Values g = random_values(shape.size(), 1, dtype), u = random_values(shape.size(), 2, dtype),
                   d = random_values(shape.size(), 3, dtype);
      const Tensor gate = to_tensor(g, shape, dtype), up = to_tensor(u, shape, dtype), dy = to_tensor(d, shape, dtype);
      const Tensor y = Tensor::empty(shape, dtype), dgate = Tensor::empty(shape, dtype),
                   dup = Tensor::empty(shape, dtype);
      Values value(g.size()), dg(g.size()), du(g.size());
      for (std::size_t i = 0; i < g.size(); ++i) {
        value[i] = reference::silu(g[i]) * u[i];
        dg[i] = d[i] * u[i] * reference::silu_derivative(g[i]);
        du[i] = d[i] * reference::silu(g[i]);
      }
      ops::swiglu_forward(gate, up, y);
      expect_close("y", y, value);
      ops::swiglu_backward(gate, up, dy, dgate, dup);
      expect_close("dgate", dgate, dg);
      expect_close("dup", dup, du);
    }
  }
}

TEST(Swiglu, BackwardMatchesFiniteDifferences) {
  const Shape shape = {2, 9};
  const Values g = random_values(18, 1), u = random_values(18, 2), grad = random_values(18, 3);
  const auto loss = [&](const Values& gate, const Values& up) {
    const Tensor y = Tensor::empty(shape, Dtype::float64);
    ops::swiglu_forward(to_tensor(gate, shape, Dtype::float64), to_tensor(up, shape, Dtype::float64), y);
    return dot(to_values(y), grad);
  };
  const Tensor dgate = Tensor::empty(shape, Dtype::float64), dup = Tensor::empty(shape, Dtype::float64);
  ops::swiglu_backward(to_tensor(g, shape, Dtype::float64), to_tensor(u, shape, Dtype::float64),
                       to_tensor(grad, shape, Dtype::float64), dgate, dup);
  expect_close("dgate", dgate, numeric_gradient([&](const Values& x) { return loss(x, u); }, g), kDifferenceTolerance);
  expect_close("dup", dup, numeric_gradient([&](const Values& x) { return loss(g, x); }, u), kDifferenceTolerance);
}

TEST(Activation, LargeInputsGiveTheLimits) {
  const Values x = {-1e4, -100, 100, 1e4};
  for (const Activation kind : {Activation::gelu, Activation::silu}) {
    const Tensor y = Tensor::empty({4}, Dtype::float32);
    ops::activation_forward(kind, to_tensor(x, {4}, Dtype::float32), y);
    const Values got = to_values(y);
    EXPECT_NEAR(got[0], 0, 1e-30);
    EXPECT_NEAR(got[1], 0, 1e-30);
    EXPECT_EQ(got[2], 100);
    EXPECT_EQ(got[3], 1e4);
  }
}

TEST(Activation, EmptyIsAllowedAndWrongShapesThrow) {
  const Tensor none = Tensor::empty({0, 4}, Dtype::float32), four = Tensor::zeros({1, 4}, Dtype::float32),
               index = Tensor::zeros({1, 4}, Dtype::int32);
  ops::activation_forward(Activation::gelu, none, none);
  ops::activation_backward(Activation::gelu, none, none, none);
  ops::swiglu_forward(none, none, none);
  ops::swiglu_backward(none, none, none, none, none);
  EXPECT_THROW(ops::activation_forward(Activation::gelu, none, four), std::logic_error);
  EXPECT_THROW(ops::activation_backward(Activation::silu, four, none, four), std::logic_error);
  EXPECT_THROW(ops::activation_forward(Activation::none, four, four), std::logic_error);
  EXPECT_THROW(ops::activation_forward(Activation::gelu, index, index), std::logic_error);
  EXPECT_THROW(ops::swiglu_forward(four, none, four), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
