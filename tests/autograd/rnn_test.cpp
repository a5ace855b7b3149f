// Gradients of the recurrent cells: the worked example of the published cells, computed independently (NumPy, float64,
// eight decimals), and central differences.
#include "autograd/functions/rnn.hpp"

#include <gtest/gtest.h>

#include "autograd/gradient_check.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

using ops::RnnCell;

constexpr double kDecimals = 6e-9;

// One head, K = 2, T = 3, gates i f z o.
const Values kInputs = {0.84,  0.98, 0.57,  -0.17, -0.81, -0.99, -0.62, 0.11, 0.77,  1,     0.66,  -0.05,
                        -0.73, -1,   -0.71, -0.02, 0.68,  1,     0.75,  0.08, -0.64, -0.99, -0.79, -0.14};
const Values kWeights = {0.455, 0.15,   -0.255, -0.49,  -0.4,   -0.04, 0.345, 0.5,
                         0.325, -0.065, -0.415, -0.485, -0.235, 0.175, 0.465, 0.445};
const Values kBias = {0.014, -0.069, -0.099, -0.053, 0.035, 0.095, 0.082, 0.005};
const Values kOutputGradient = {-0.96, -0.23, 0.73, 0.96, 0.22, -0.73};

struct Golden {
  Values y, dweight, dx = {};
};

// The first `inputs` gates of each step and the first `recurrent` matrices.
void expect_golden(RnnCell cell, const Golden& golden) {
  const ops::RnnCellSizes s = ops::cell_sizes(cell);
  Values inputs;
  for (std::int64_t t = 0; t < 3; ++t) {
    inputs.insert(inputs.end(), kInputs.begin() + 8 * t, kInputs.begin() + 8 * t + 2 * s.inputs);
  }
  const auto parameter = [](const Values& values, std::int64_t count, const Shape& shape) {
    return Variable::parameter(tensor_as<double>(Values(values.begin(), values.begin() + count), shape),
                               Tensor::zeros(shape, Dtype::float64));
  };
  const Variable x(tensor_as<double>(inputs, {1, 1, 3, 2 * s.inputs}));
  const RnnParameters parameters{parameter(kWeights, 4 * s.recurrent, {2 * s.recurrent, 2}),
                                 parameter(kBias, 2 * s.gates, {2 * s.gates})};
  Tape tape;
  const Variable y = rnn(tape, cell, x, parameters, {0, 1}, Tensor::zeros({1, 3}, Dtype::int32));
  EXPECT_LT(distance(to_values(y.value()), golden.y), kDecimals) << to_string(cell);
  y.set_gradient(tensor_as<double>(kOutputGradient, {1, 1, 3, 2}));
  tape.backward();
  EXPECT_LT(distance(to_values(parameters.weight.gradient()), golden.dweight), kDecimals) << to_string(cell);
  if (!golden.dx.empty()) {
    EXPECT_LT(distance(to_values(x.gradient()), golden.dx), kDecimals) << to_string(cell);
  }
}

TEST(RnnGolden, Lstm) {
  expect_golden(
      RnnCell::lstm,
      {{-0.15728537, -0.24810782, -0.21174757, -0.26670094, -0.22827833, -0.26329440},
       {0.00562511, 0.00853125, -0.00003002, 0.00127305, 0.00462257, 0.00689418, -0.00195374, -0.00104983, -0.01667009,
        -0.02520635, 0.00207934, -0.00262961, 0.02534580, 0.03771874, 0.00032487, 0.00810930},
       {0.02373096,  0.00867133,  0,           0,           -0.07065716, -0.02077135, 0.10210233,  0.04442503,
        -0.02892403, -0.02621555, -0.02143761, -0.02821729, 0.08419422,  0.10496465,  -0.11589488, -0.15399228,
        -0.00508049, 0.01961461,  -0.00590677, 0.03018646,  0.01618706,  -0.08778726, -0.03361186, 0.11285072}});
}

TEST(RnnGolden, Slstm) {
  expect_golden(RnnCell::slstm,
                {{-0.23956082, -0.37742801, -0.22173105, -0.25240389, -0.20387907, -0.24450310},
                 {-0.00041244, -0.00054145, -0.00233826, -0.00367912, 0.00022569, 0.00032081, 0.00139197, 0.00219043,
                  -0.03057539, -0.04615161, -0.01583554, -0.03653807, 0.03593327, 0.05370766, 0.01344492, 0.03133353}});
}

TEST(RnnGolden, Gru) {
  expect_golden(RnnCell::gru, {{-0.21756843, -0.40237793, -0.36023590, -0.52813702, -0.44392135, -0.57806115},
                               {-0.03942158, -0.06864377, 0.01662587, 0.01798495, 0.00211781, 0.00360251, 0.00237638,
                                0.00308695, -0.02332363, -0.04143536, -0.00030175, -0.00378517}});
}

TEST(RnnGolden, Elman) {
  expect_golden(RnnCell::elman, {{0.69315339, 0.72161188, 0.83596612, 0.38051018, 0.81151190, 0.48643423},
                                 {0.25198359, 0.22553772, 0.27177218, 0.55586805}});
}

TEST(RnnGolden, StatesOfSlstm) {
  const auto tensor = [](const Values& v, const Shape& shape) { return tensor_as<double>(v, shape); };
  const Tensor state = Tensor::zeros({4, 1, 1, 2}, Dtype::float64);
  extend_rnn(RnnCell::slstm, tensor(kInputs, {1, 1, 3, 8}),
             {Variable(tensor(kWeights, {8, 2})), Variable(tensor(kBias, {8}))}, Tensor::zeros({1, 3}, Dtype::int32),
             state);
  EXPECT_LT(distance(to_values(state), {-0.20387907, -0.24450310, -1.43136989, -0.96988479, 2.32944834, 1.63937981,
                                        0.55525179, 1.11121932}),
            kDecimals);
}

class RnnGradients : public ::testing::TestWithParam<RnnCell> {};
INSTANTIATE_TEST_SUITE_P(Cells, RnnGradients,
                         ::testing::Values(RnnCell::elman, RnnCell::gru, RnnCell::lstm, RnnCell::slstm),
                         [](const auto& info) { return std::string(to_string(info.param)); });

// All heads and the middle one of three; documents; part of a tile.
TEST_P(RnnGradients, MatchCentralDifferences) {
  const RnnCell cell = GetParam();
  const ops::RnnCellSizes s = ops::cell_sizes(cell);
  for (const auto& [B, T, K] : {std::array<std::int64_t, 3>{2, 5, 3}, {3, 4, 1}, {5, 2, 2}}) {
    for (const Range heads : {Range{0, 3}, Range{1, 2}}) {
      for (const bool documents : {false, true}) {
        std::vector<std::int32_t> resets(static_cast<std::size_t>(B * T), 0);
        if (documents)
          resets[0] = resets[static_cast<std::size_t>(T) - 1] = resets[static_cast<std::size_t>(T) + 1] = 1;
        const Tensor starts = Tensor::from_host(resets, {B, T});
        expect_right_gradients(
            {{{B, heads.size(), T, s.inputs * K}}, {{3 * s.recurrent * K, K}, true}, {{3 * s.gates * K}, true}},
            [&](Tape& tape, const std::vector<Variable>& in) {
              return rnn(tape, cell, in[0], {in[1], in[2]}, heads, starts);
            });
      }
    }
  }
}

}  // namespace
}  // namespace longspan::testing
