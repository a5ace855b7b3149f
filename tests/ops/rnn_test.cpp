// The fused recurrences against the naive steps: every cell, dtype, odd widths and batches that leave part of a tile.
#include "ops/rnn/rnn.hpp"

#include <gtest/gtest.h>

#include "reference/rnn.hpp"
#include "support/compare.hpp"

namespace longspan::testing {
namespace {

using ops::RnnCell;

struct Case {
  RnnCell cell;
  std::int64_t A = 2, H = 2, T = 7, K = 3;
  Dtype dtype = Dtype::float64;
  std::vector<std::vector<std::int64_t>> starts = {};
  double size = 0.5;  // of the inputs
};

struct Answer {
  Tensor gates, states, state, y;
};

struct Inputs {
  Values x, weight, bias;
};

Inputs make_inputs(const Case& c) {
  const ops::RnnCellSizes s = ops::cell_sizes(c.cell);
  Inputs in{random_values(c.A * c.H * c.T * s.inputs * c.K, 1, c.size), random_values(c.H * s.recurrent * c.K * c.K, 2),
            random_values(c.H * s.gates * c.K, 3)};
  for (double& w : in.weight) w *= 0.5 / std::sqrt(static_cast<double>(c.K));
  for (Values* v : {&in.x, &in.weight, &in.bias}) {
    for (double& value : *v) value = rounded(value, c.dtype);
  }
  return in;
}

Tensor resets_of(const Case& c) {
  std::vector<std::int32_t> resets(static_cast<std::size_t>(c.A * c.T), 0);
  for (std::size_t a = 0; a < c.starts.size(); ++a) {
    for (const std::int64_t t : c.starts[a])
      resets[a * static_cast<std::size_t>(c.T) + static_cast<std::size_t>(t)] = 1;
  }
  return Tensor::from_host(resets, {c.A, c.T});
}

Answer run(const Case& c, const Inputs& in) {
  const ops::RnnCellSizes s = ops::cell_sizes(c.cell);
  const Dtype wide = accumulation_dtype(c.dtype);
  Answer r{Tensor::empty({c.A, c.H, c.T, s.gates * c.K}, wide), Tensor::empty({s.states, c.A, c.H, c.T, c.K}, wide),
           Tensor::zeros({s.states, c.A, c.H, c.K}, wide), Tensor::empty({c.A, c.H, c.T, c.K}, c.dtype)};
  ops::rnn_inputs(c.cell, to_tensor(in.x, {c.A, c.H, c.T, s.inputs * c.K}, c.dtype),
                  to_tensor(in.bias, {c.H * s.gates * c.K}, c.dtype), r.gates);
  ops::rnn_forward(c.cell, to_tensor(in.weight, {c.H * s.recurrent * c.K, c.K}, c.dtype), resets_of(c), r.gates,
                   r.states, r.state, r.y);
  return r;
}

Values part(const Values& all, std::int64_t parts, std::int64_t i) {
  const auto size = static_cast<std::int64_t>(all.size()) / parts;
  return Values(all.begin() + i * size, all.begin() + (i + 1) * size);
}

Values reference_output(const Case& c, const Inputs& in) {
  Values y;
  for (std::int64_t a = 0; a < c.A; ++a) {
    for (std::int64_t h = 0; h < c.H; ++h) {
      reference::Rnn one{.cell = to_string(c.cell),
                         .T = c.T,
                         .K = c.K,
                         .x = part(in.x, c.A * c.H, a * c.H + h),
                         .weight = part(in.weight, c.H, h),
                         .bias = part(in.bias, c.H, h)};
      if (!c.starts.empty()) one.starts = c.starts[static_cast<std::size_t>(a)];
      const Values out = one.forward();
      y.insert(y.end(), out.begin(), out.end());
    }
  }
  return y;
}

class RnnOp : public ::testing::TestWithParam<RnnCell> {
 protected:
  void expect_right(Case c) const {
    c.cell = GetParam();
    const Inputs in = make_inputs(c);
    expect_close(to_string(c.cell), run(c, in).y, reference_output(c, in));
  }
};
INSTANTIATE_TEST_SUITE_P(Cells, RnnOp, ::testing::Values(RnnCell::elman, RnnCell::gru, RnnCell::lstm, RnnCell::slstm),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_P(RnnOp, EveryWidthBatchAndDtype) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t K : {1, 3, 16, 33}) expect_right({.K = K, .dtype = dtype});
    for (const std::int64_t A : {1, 3, 5, 13}) expect_right({.A = A, .H = 3, .K = 9, .dtype = dtype});
  }
}

TEST_P(RnnOp, ShortSequencesAndDocuments) {
  for (const std::int64_t T : {0, 1, 2}) expect_right({.T = T});
  expect_right({.T = 9, .starts = {{0, 4}, {1, 2, 8}}});
}

// The stabiliser: e^400 overflows float32, e^-400 is nothing.
TEST_P(RnnOp, LargeGatesStayFinite) {
  expect_right({.dtype = Dtype::float32, .size = 400});
  expect_right({.T = 50, .size = 400});
}

TEST_P(RnnOp, ARowDoesNotDependOnTheBatchAroundIt) {
  const Case whole{.cell = GetParam(), .A = 15, .H = 2, .T = 5, .K = 19, .dtype = Dtype::float32};
  const Inputs in = make_inputs(whole);
  const Values all = to_values(run(whole, in).y);
  Case one = whole;
  one.A = 1;
  for (const std::int64_t a : {0, 3, 7, 12, 14}) {
    EXPECT_EQ(to_values(run(one, {part(in.x, 15, a), in.weight, in.bias}).y), part(all, 15, a)) << a;
  }
}

// What the last step leaves enters the next one.
TEST_P(RnnOp, AStateContinuesASequence) {
  const Case whole{.cell = GetParam(), .A = 1, .H = 1, .T = 6, .K = 4};
  const Inputs in = make_inputs(whole);
  const Answer all = run(whole, in);
  const ops::RnnCellSizes s = ops::cell_sizes(whole.cell);
  const Tensor state = Tensor::zeros({s.states, 1, 1, 4}, Dtype::float64);
  Values pieces;
  for (std::int64_t half = 0; half < 2; ++half) {
    const Tensor gates = Tensor::empty({1, 1, 3, s.gates * 4}, Dtype::float64),
                 y = Tensor::empty({1, 1, 3, 4}, Dtype::float64);
    ops::rnn_inputs(whole.cell, tensor_as<double>(part(in.x, 2, half), {1, 1, 3, s.inputs * 4}),
                    tensor_as<double>(in.bias, {s.gates * 4}), gates);
    ops::rnn_forward(whole.cell, tensor_as<double>(in.weight, {s.recurrent * 4, 4}),
                     Tensor::zeros({1, 3}, Dtype::int32), gates, Tensor::empty({s.states, 1, 1, 3, 4}, Dtype::float64),
                     state, y);
    for (const double v : to_values(y)) pieces.push_back(v);
  }
  expect_close("h", all.y, pieces);
  expect_close("state", all.state, to_values(state));
}

}  // namespace
}  // namespace longspan::testing
