// The selective scan against the naive one and central differences, every chunk size and number of ranks; the published
// worked example; counted bytes; long sequences in float32 and bfloat16.
#include "autograd/functions/selective_scan.hpp"

#include <gtest/gtest.h>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"
#include "autograd/sequence_rows.hpp"
#include "layout/scan_method.hpp"
#include "ops/elementwise.hpp"
#include "ops/recurrence/scan_map.hpp"
#include "reference/selective_scan.hpp"
#include "support/finite_difference.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

struct Case {
  std::int64_t B = 2, T = 13, D = 5, N = 3, chunk = 4;
  DocumentStarts documents = {};
  double step = 1;  // size of the steps
};

// x, step, write, read of all positions; log_rate, skip.
using Inputs = std::vector<Values>;
constexpr int kInputs = 6, kByToken = 4;

Inputs make_inputs(const Case& c) {
  const std::int64_t rows = c.B * c.T;
  Inputs in = {random_values(rows * c.D, 1), random_values(rows * c.D, 2), random_values(rows * c.N, 3),
               random_values(rows * c.N, 4), random_values(c.D * c.N, 5),  random_values(c.D, 6)};
  for (double& s : in[1]) s = c.step * s * s;
  return in;
}

Values reference_output(const Case& c, const Inputs& in) {
  Values y;
  for (std::int64_t b = 0; b < c.B; ++b) {
    const auto rows = [&](int i) { return rows_of_sequence(in[i], c.B, b); };
    reference::SelectiveScan r{.T = c.T,
                               .D = c.D,
                               .N = c.N,
                               .x = rows(0),
                               .step = rows(1),
                               .write = rows(2),
                               .read = rows(3),
                               .log_rate = in[4],
                               .skip = in[5]};
    if (!c.documents.empty()) r.starts = c.documents[static_cast<std::size_t>(b)];
    const Values out = r.forward();
    y.insert(y.end(), out.begin(), out.end());
  }
  return y;
}

struct Answer {
  Values y;
  std::vector<Values> gradients;
  std::int64_t forward_bytes = 0, backward_bytes = 0;
};

Answer run(const Case& c, const Inputs& in, const Values& dy, const Comm& axis) {
  const SequenceRows rows(c.B, c.T, axis);
  std::vector<Variable> v;
  for (int i = 0; i < kByToken; ++i) v.emplace_back(rows.tensor(in[i], Dtype::float64));
  v.push_back(make_parameter(in[4], {c.D, c.N}));
  v.push_back(make_parameter(in[5], {c.D}));
  Tape tape;
  Answer a;
  const std::int64_t start = bytes_sent(axis);
  const Variable y =
      selective_scan(tape, {v[0], v[1], v[2], v[3], v[4], v[5]}, rows.documents(c.documents), c.chunk, axis, {});
  a.forward_bytes = bytes_sent(axis) - start;
  y.set_gradient(rows.tensor(dy, Dtype::float64));
  tape.backward();
  a.backward_bytes = bytes_sent(axis) - start - a.forward_bytes;
  a.y = to_values(y.value());
  for (const Variable& x : v) a.gradients.push_back(to_values(x.gradient()));
  return a;
}

Values output_gradient(const Case& c) { return random_values(c.B * c.T * c.D, 9); }

void expect_right(const Case& c) {
  const Comm axis = world().split("sequence", 0, world().rank());
  const Inputs in = make_inputs(c);
  const Values dy = output_gradient(c);
  const Answer a = run(c, in, dy, axis);
  const SequenceRows rows(c.B, c.T, axis);
  EXPECT_LT(distance(a.y, rows.local(reference_output(c, in))), 1e-10);
  for (int i = 0; i < kInputs; ++i) {
    const Values numeric = numeric_gradient(
        [&](const Values& changed) {
          Inputs other = in;
          other[static_cast<std::size_t>(i)] = changed;
          return dot(reference_output(c, other), dy);
        },
        in[static_cast<std::size_t>(i)]);
    const Values& ours = a.gradients[static_cast<std::size_t>(i)];
    const double error = i < kByToken ? distance(ours, rows.local(numeric)) : distance(summed(ours, axis), numeric);
    EXPECT_LT(error, kDifferenceTolerance) << "input " << i;
  }
}

TEST(SelectiveScan, EveryChunkSize) {
  for (const std::int64_t chunk : {1, 2, 5, 13, 64}) {
    SCOPED_TRACE(chunk);
    expect_right({.chunk = chunk});
  }
}

TEST(SelectiveScan, DocumentsDoNotLeak) {
  for (const std::int64_t chunk : {1, 3, 16}) {
    SCOPED_TRACE(chunk);
    expect_right({.chunk = chunk, .documents = {{0, 5, 6}, {3, 12}}});
  }
}

TEST(SelectiveScan, FewerTokensThanRanksAndShortSequences) {
  for (const std::int64_t T : {1, 2, 3, 7}) expect_right({.T = T});
}

TEST(SelectiveScan, SeveralBlocksOfChannels) { expect_right({.B = 1, .T = 5, .D = 67, .N = 1}); }

TEST(SelectiveScan, DecaysNearZeroAndOne) {
  for (const double step : {0.0, 1e-3, 300.0}) expect_right({.step = step});
}

TEST(SelectiveScan, BytesAreTheClosedFormAndDoNotDependOnTheLength) {
  const Comm axis = world().split("sequence", 0, world().rank());
  const int S = axis.size(), me = axis.rank();
  for (const std::int64_t T : {3, 13, 50}) {
    const Case c{.T = T};
    const Answer a = run(c, make_inputs(c), output_gradient(c), axis);
    const std::int64_t state = c.B * c.N * c.D, map = state + c.B * c.D;
    const ScanMethod method = choose_scan(S, 8 * map, 8 * state);
    EXPECT_EQ(a.forward_bytes, 8 * scan_volume(method, S, me, map, state).elements);
    EXPECT_EQ(a.backward_bytes, 8 * scan_volume(method, S, S - 1 - me, map, state).elements);
  }
}

// The worked example, computed independently (NumPy, float64; eight decimals).
constexpr double kDecimals = 6e-9;
const Values kX = {0.84, 0.98, 0.57, -0.17, -0.81, -0.99, -0.62, 0.11};
const Values kWrite = {0.14, -0.69, -0.99, -0.53, 0.35, 0.95, 0.82, 0.05};
const Values kRead = {-0.76, -0.96, -0.32, 0.61, 1, 0.5, -0.44, -0.99};
const Values kStep = {0.64915934, 1.17110067, 0.19959646, 0.48167487, 0.15297761, 0.92503699, 0.55011189, 1.70141328};
const Values kLogRate = {0, std::log(2.0), 0, std::log(2.0)};

void expect_near(const char* what, const Tensor& t, const Values& golden) {
  EXPECT_LT(distance(to_values(t), golden), kDecimals) << what;
}

TEST(SelectiveScanGolden, OutputAndGradients) {
  const Comm axis = world().split("self", world().rank(), 0);
  const auto rows = [](const Values& v) { return Variable(tensor_as<double>(v, {1, 4, 2})); };
  const Tensor documents = Tensor::from_host(std::vector<std::int32_t>(4, -1), {1, 4});
  for (const std::int64_t chunk : {1, 2, 3, 4}) {
    Tape tape;
    const Variable x = rows(kX), raw = rows({0.91, 0.3, -0.51, -0.98, -0.8, -0.08, 0.69, 1});
    const Variable z = rows({-0.28, 0.74, 0.93, 0.06, -0.87, -0.82, 0.15, 0.96}), B = rows(kWrite), C = rows(kRead);
    const Variable bias = make_parameter({-1, 0.5}, {2}), log_rate = make_parameter(kLogRate, {2, 2});
    const Variable skip = make_parameter({1, 0.5}, {2});
    const Variable step = softplus(tape, raw, bias);
    expect_near("step", step.value(), kStep);
    const Tensor state = Tensor::zeros({1, 2, 2}, Dtype::float64);
    const Variable y = selective_scan(tape, {x, step, B, C, log_rate, skip}, documents, chunk, axis, state);
    expect_near("y", y.value(),
                {1.14318338, 1.12810933, 0.39527934, -0.30057080, -1.07036760, -1.19936799, -0.34348087, 0.02820237});
    expect_near("h_4", state, {-0.32950018, 0.10803907, -0.13286773, -0.02094905});
    const Variable out = swiglu(tape, z, y);
    expect_near("out", out.value(),
                {-0.13778453, 0.56515675, 0.26360389, -0.00928756, 0.27494666, 0.30071298, -0.02768953, 0.01957800});
    out.set_gradient(rows({-0.96, -0.23, 0.73, 0.96, 0.22, -0.73, -0.95, -0.21}).value());
    tape.backward();
    expect_near("dx", x.gradient(),
                {0.05493817, -0.13602941, 0.49271279, -0.02594728, -0.05893607, 0.23920478, -0.05929796, 0.02887781});
    expect_near("draw", raw.gradient(),
                {-0.03754816, -0.04527677, 0.03208798, 0.01061124, 0.00139726, -0.09905981, -0.00010212, 0.01491377});
    expect_near("dlog_rate", log_rate.gradient(), {0.00302101, 0.03914575, -0.01115965, 0.03181116});
    expect_near("dB", B.gradient(),
                {0.01677888, 0.18875757, -0.02688828, 0.03081025, -0.17373887, -0.08783206, 0.00051190, 0.00115177});
    expect_near("dC", C.gradient(),
                {-0.00968060, 0.04771154, -0.01904282, -0.15991192, -0.04069828, -0.14701695, 0.00948428, 0.01322949});
    expect_near("dskip", skip.gradient(), {0.46793818, -0.31519881});
  }
}

// Two ranks of two tokens: exp(A s) and e of each.
TEST(SelectiveScanGolden, MapsOfTheRuns) {
  const auto rows = [](const Values& v, int first) {
    return tensor_as<double>(Values(v.begin() + 2 * first, v.begin() + 2 * first + 4), {1, 2, 2});
  };
  const std::vector<Values> golden = {
      {0.42794705, 0.19151761, 0.18313868, 0.03667899, -0.05010422, 0.18032253, -0.31271149, -0.25879932},
      {0.49505347, 0.07233478, 0.24507794, 0.00523232, -0.30469591, 0.09499548, -0.05622904, -0.01959493}};
  for (const int rank : {0, 1}) {
    const Values map =
        to_values(ops::scan_map({.x = rows(kX, 2 * rank),
                                 .step = rows(kStep, 2 * rank),
                                 .write = rows(kWrite, 2 * rank),
                                 .read = rows(kRead, 2 * rank),
                                 .rates = tensor_as<double>({-1, -1, -2, -2}, {2, 2}),
                                 .skip = Tensor::zeros({2}, Dtype::float64),
                                 .documents = Tensor::from_host(std::vector<std::int32_t>(2, -1), {1, 2})}));
    const Values found = {std::exp(-map[0]),
                          std::exp(-map[1]),
                          std::exp(-2 * map[0]),
                          std::exp(-2 * map[1]),
                          map[2],
                          map[3],
                          map[4],
                          map[5]};
    EXPECT_LT(distance(found, golden[static_cast<std::size_t>(rank)]), 2e-8) << "rank " << rank;
  }
}

// 65536 tokens with decays anywhere between 1 - 1e-7 and e^-1000: relative to the largest output, float32 stays within
// 1e-5 of the token-by-token scan in double, bfloat16 within the rounding of its output.
TEST(SelectiveScan, LongSequencesWithDecaysNearZeroAndOne) {
  const Comm axis = world().split("self", world().rank(), 0);
  if (world().rank() != 0) return;
  constexpr std::int64_t T = 65536, D = 4, N = 4;
  for (const auto& [dtype, limit] : {std::pair{Dtype::float32, 1e-5}, {Dtype::bfloat16, 4e-3}}) {
    reference::SelectiveScan r{.T = T, .D = D, .N = N};
    r.x = random_values(T * D, 1, dtype), r.step = random_values(T * D, 2), r.write = random_values(T * N, 3, dtype);
    r.read = random_values(T * N, 4, dtype), r.log_rate = Values(D * N, 0.0);
    r.skip = Values(D, 0.0);
    for (std::size_t i = 0; i < r.step.size(); ++i) {
      r.step[i] = rounded(std::pow(10.0, 2.5 * r.step[i] - 2), Dtype::float32);
      r.x[i] = rounded(r.x[i] / r.step[i], dtype);  // what is written is of size 1
    }
    const auto rows = [](const Values& v, std::int64_t width, Dtype type) {
      return Variable(to_tensor(v, {1, T, width}, type));
    };
    const SelectiveScanVariables in{
        rows(r.x, D, dtype),    rows(r.step, D, Dtype::float32),           rows(r.write, N, dtype),
        rows(r.read, N, dtype), make_parameter(r.log_rate, {D, N}, dtype), make_parameter(r.skip, {D}, dtype)};
    Tape tape;
    const Tensor documents = Tensor::from_host(std::vector<std::int32_t>(T, -1), {1, T});
    const Variable y = selective_scan(tape, in, documents, 64, axis, {});
    const double error = distance(to_values(y.value()), r.forward());
    EXPECT_LT(error, limit) << to_string(dtype);
    std::cout << to_string(dtype) << ": error " << error << "\n";
    y.set_gradient(Tensor::zeros(y.value().shape(), dtype));
    ops::fill(y.gradient(), 1);
    tape.backward();
    for (const Variable& v : {in.x, in.step, in.write, in.read, in.log_rate, in.skip}) {
      EXPECT_TRUE(ops::all_finite(v.gradient()));
    }
  }
}

}  // namespace
}  // namespace longspan::testing
