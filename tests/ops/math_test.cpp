// sigmoid and tanh in float against double, in units in the last place, as kernels apply them.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/gates.hpp"
#include "ops/rnn/rnn.hpp"
#include "support/compare.hpp"

namespace longspan::testing {
namespace {

Values sigmoid(const Values& x) {
  const Tensor t = to_tensor(x, {static_cast<std::int64_t>(x.size())}, Dtype::float32);
  ops::sigmoid_forward(t, 1, t);
  return to_values(t);
}

// A step of elman without a matrix.
Values tanh(const Values& x) {
  const auto n = static_cast<std::int64_t>(x.size());
  const Tensor gates = to_tensor(x, {n, 1, 1, 1}, Dtype::float32), y = Tensor::empty({n, 1, 1, 1}, Dtype::float32);
  ops::rnn_forward(ops::RnnCell::elman, Tensor::zeros({1, 1}, Dtype::float32), Tensor::zeros({n, 1}, Dtype::int32),
                   gates, Tensor::empty({1, n, 1, 1, 1}, Dtype::float32), Tensor::zeros({1, n, 1, 1}, Dtype::float32),
                   y);
  return to_values(y);
}

// Floats from -last to last in even steps, and in even ratios towards 0.
Values sweep(double last) {
  Values x;
  for (int i = -50000; i <= 50000; ++i) x.push_back(static_cast<float>(last * i / 50000));
  for (double size = last; size > 1e-20; size *= 0.999) {
    for (const double sign : {1, -1}) x.push_back(static_cast<float>(sign * size));
  }
  return x;
}

template <class Exact>
double most_units(const Values& x, const Values& got, const Exact& exact) {
  double most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto near = static_cast<float>(std::abs(exact(x[i])));
    most = std::max(most, std::abs(got[i] - exact(x[i])) / (std::nextafter(near, 2 * near) - near));
  }
  return most;
}

TEST(Math, SigmoidIsWithinThreeUnits) {
  const Values x = sweep(86);
  EXPECT_LT(most_units(x, sigmoid(x), [](double v) { return 1 / (1 + std::exp(-v)); }), 3);
}

TEST(Math, TanhIsWithinFiveUnitsAndNeverBeyondOne) {
  Values x = sweep(20);
  std::erase(x, 0.0);
  const Values y = tanh(x);
  EXPECT_LT(most_units(x, y, [](double v) { return std::tanh(v); }), 5);
  for (const double v : y) ASSERT_LE(std::abs(v), 1);
}

TEST(Math, LimitsAndNaN) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double x : {88.0, 1e3, 1e30, kInfinity}) {
    const Values s = sigmoid({x, -x}), t = tanh({x, -x});
    EXPECT_EQ(s[0], 1);
    EXPECT_TRUE(0 <= s[1] && s[1] < 1e-37) << s[1];
    EXPECT_NEAR(t[0], 1, 3e-7);
    EXPECT_EQ(t[1], -t[0]);
  }
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(sigmoid({kNaN})[0]) && std::isnan(tanh({kNaN})[0]));
}

}  // namespace
}  // namespace longspan::testing
