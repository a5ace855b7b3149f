// Gates, feature maps and the short convolution: values where a formula is short, gradients everywhere.
#include "autograd/functions/gates.hpp"

#include "autograd/gradient_check.hpp"

namespace longspan::testing {
namespace {

using Variables = std::vector<Variable>;

TEST(Gates, LogSigmoid) {
  Tape tape(false);
  const Values z = {-800, -3, 0, 0.5, 40};
  const Values y = to_values(log_sigmoid(tape, Variable(tensor_as<double>(z, {5})), 16).value());
  const Values expected = {-50, std::log(1 / (1 + std::exp(3.0))) / 16, -std::log(2.0) / 16,
                           -std::log1p(std::exp(-0.5)) / 16, -std::exp(-40.0) / 16};
  EXPECT_LT(distance(y, expected), 1e-15);
  EXPECT_NEAR(y[4] / expected[4], 1, 1e-12) << "a gate next to 1 keeps its digits";
  expect_right_gradients({{{2, 5}}}, [](Tape& t, const Variables& x) { return log_sigmoid(t, x[0], 3); });
}

TEST(Gates, Sigmoid) {
  expect_right_gradients({{{2, 5}}}, [](Tape& t, const Variables& x) { return sigmoid(t, x[0], 2); });
}

TEST(Gates, StepsAndTheirDecays) {
  const std::vector<Input> inputs = {{{2, 3, 4}}, {{4}, true}, {{4}, true}};
  expect_right_gradients(inputs, [](Tape& t, const Variables& x) { return softplus(t, x[0], x[1]); });
  expect_right_gradients(inputs,
                         [](Tape& t, const Variables& x) { return step_decay(t, softplus(t, x[0], x[1]), x[2]); });
}

TEST(Gates, HeadsScaledAndSkipped) {
  expect_right_gradients({{{2, 3, 8}}, {{2, 3, 4}}},
                         [](Tape& t, const Variables& x) { return scale_heads(t, x[0], x[1]); });
  expect_right_gradients({{{2, 3, 8}}, {{2, 3, 8}}, {{4}, true}},
                         [](Tape& t, const Variables& x) { return add_skip(t, x[0], x[1], x[2]); });
}

TEST(Features, PositiveNormedAndDivided) {
  expect_right_gradients({{{3, 7}}}, [](Tape& t, const Variables& x) { return elu_feature(t, x[0]); });
  expect_right_gradients({{{3, 8}}}, [](Tape& t, const Variables& x) { return l2_norm(t, x[0], 2); });
  expect_right_gradients({{{3, 8}}}, [](Tape& t, const Variables& x) { return append_one(t, x[0], 2); });
  // A weight is positive.
  expect_right_gradients({{{3, 8}}},
                         [](Tape& t, const Variables& x) { return divide_by_last(t, elu_feature(t, x[0]), 2); });
}

// Naive: of the edge and x the rows that row t sees, in its document.
Values convolved(const Values& edge, const Values& x, const Values& w, const Values& bias,
                 const ops::ConvolutionRows& rows, std::int64_t E, std::int64_t C, std::int64_t width) {
  Values y;
  const auto starts = rows.starts.to_host<std::int32_t>(), ends = rows.ends.to_host<std::int32_t>();
  const auto T = static_cast<std::int64_t>(starts.size());
  for (std::int64_t t = 0; t < T; ++t) {
    for (std::int64_t c = 0; c < C; ++c) {
      double sum = bias[c];
      for (std::int64_t j = 0; j < width; ++j) {
        const std::int64_t at = t + rows.lead - j;
        if (at < -rows.before || at >= T + E - rows.before || at < starts[t] || at >= ends[t]) continue;
        const double value = at < 0   ? edge[(rows.before + at) * C + c]
                             : at < T ? x[at * C + c]
                                      : edge[(rows.before + at - T) * C + c];
        sum += w[c * width + width - 1 - j] * value;
      }
      y.push_back(sum);
    }
  }
  return y;
}

void expect_right_convolution(std::int64_t width, std::int64_t lead, std::int64_t before, std::int64_t behind) {
  constexpr std::int64_t T = 6, C = 5;
  const std::int64_t E = before + behind;
  using Rows = std::vector<std::int32_t>;
  for (const auto& [starts, ends] : {std::pair{Rows(T, -1000), Rows(T, 1000)},
                                     {{-1, -1, 2, 2, 2, 5}, {2, 2, 5, 5, 5, 7}},
                                     {{0, 1, 1, 1, 1, 1}, {1, 1000, 1000, 1000, 1000, 1000}}}) {
    const std::vector<Input> inputs = {{{1, E, C}}, {{1, T, C}}, {{C, width}, true}, {{C}, true}};
    const ops::ConvolutionRows rows{.lead = lead,
                                    .before = before,
                                    .starts = Tensor::from_host(starts, {1, T}),
                                    .ends = Tensor::from_host(ends, {1, T})};
    const Function f = [&](Tape& t, const Variables& x) { return short_convolution(t, rows, x[0], x[1], x[2], x[3]); };
    const std::vector<Values> v = random_inputs(inputs);
    Tape tape(false);
    EXPECT_LT(distance(to_values(f(tape, make_variables(inputs, v)).value()),
                       convolved(v[0], v[1], v[2], v[3], rows, E, C, width)),
              1e-14);
    expect_right_gradients(inputs, f);
  }
}

TEST(ShortConvolution, StaysInsideDocuments) {
  for (const std::int64_t before : {0, 2, 3}) expect_right_convolution(4, 0, before, 0);
}

TEST(ShortConvolution, SeesBothSidesWhereCentred) {
  for (const std::int64_t before : {0, 3}) {
    for (const std::int64_t behind : {0, 1, 3}) expect_right_convolution(7, 3, before, behind);
  }
}

}  // namespace
}  // namespace longspan::testing
