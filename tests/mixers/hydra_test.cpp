// The worked example of Hydra's two scans and their shifts, computed independently (NumPy, float64; eight decimals).
#include "mixers/hydra.hpp"

#include <gtest/gtest.h>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"
#include "autograd/functions/recurrence.hpp"
#include "nn/contiguous.hpp"
#include "ops/elementwise.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

constexpr double kDecimals = 1e-8;

const Values kX = {0.84, 0.98, 0.57, -0.17};
const Values kLeftStep = {1.24827363, 0.85435524, 0.47031332, 0.31867996};
const Values kRightStep = {0.76559518, 0.40651527, 0.31596095, 0.46285625};
const Values kLeftWrite = {-0.76, -0.96, -0.32, 0.61, 1, 0.5, -0.44, -0.99};
const Values kLeftRead = {-0.96, -0.23, 0.73, 0.96, 0.22, -0.73, -0.95, -0.21};
const Values kRightWrite = {-0.28, 0.74, 0.93, 0.06, -0.87, -0.82, 0.15, 0.96};
const Values kRightRead = {0.66, 0.94, 0.04, -0.91, -0.72, 0.37, 1, 0.37};
const Values kDiagonal = {1.99, 1.16, 0.11, 0.29};
// A rank's rows of [4, width].
Variable rows(const Values& all, const SequenceShard& shard) {
  const auto width = static_cast<std::int64_t>(all.size()) / 4;
  Values mine;
  for (const std::int64_t t : shard.positions()) {
    mine.insert(mine.end(), all.begin() + t * width, all.begin() + (t + 1) * width);
  }
  return Variable(tensor_as<double>(mine, {1, shard.local_length(), width}));
}

struct Scan {
  Variable step, write, read, log_rate;
};
Scan make_scan(const Values& step, const Values& write, const Values& read, const SequenceShard& shard) {
  return {rows(step, shard), rows(write, shard), rows(read, shard),
          Variable::parameter(Tensor::zeros({1}, Dtype::float64), Tensor::zeros({1}, Dtype::float64))};
}

Variable run_scan(const Context& context, const Scan& s, const Variable& x, std::int64_t chunk, bool reversed) {
  Tape& tape = context.tape;
  const Variable o =
      recurrence(tape, {.chunk = chunk, .reversed = reversed},
                 {s.read, s.write, scale_heads(tape, x, s.step), step_decay(tape, s.step, s.log_rate)},
                 reversed ? reversed_documents(context) : document_rows(context), context.mesh.sequence());
  return shift_rows(context, o, document_rows(context), reversed);
}

TEST(HydraGolden, OutputAndGradientsOnAnyNumberOfRanks) {
  const Mesh mesh(world(), {.sequence = world().size()});
  const SequenceContext sequence =
      make_sequence_context(SequenceShard(ShardKind::contiguous, 4, world().size(), world().rank()));
  const SequenceShard& shard = sequence.shard;
  const auto local = [&](const Values& all) { return to_values(rows(all, shard).value()); };
  for (const std::int64_t chunk : {1, 2, 3, 4}) {
    Tape tape;
    const Context context{.tape = tape, .mesh = mesh, .sequence = sequence, .batch = 1};
    const Variable x = rows(kX, shard);
    const Scan left = make_scan(kLeftStep, kLeftWrite, kLeftRead, shard);
    const Scan right = make_scan(kRightStep, kRightWrite, kRightRead, shard);
    const Variable sides =
        add(tape, run_scan(context, left, x, chunk, false), run_scan(context, right, x, chunk, true));
    const Variable y = add(tape, sides, scale_heads(tape, x, rows(kDiagonal, shard)));
    EXPECT_LT(distance(to_values(y.value()), local({1.78314003, 2.17733181, -0.34113016, -0.20918212})), kDecimals);
    y.set_gradient(rows({-0.96, -0.23, 0.73, 0.96}, shard).value());
    tape.backward();
    EXPECT_LT(distance(to_values(x.gradient()), local({-2.58576802, -0.30474719, -0.15234512, 0.61709707})), kDecimals);
    EXPECT_LT(distance(to_values(left.step.gradient()), local({-0.45447498, 0.28678762, 0.03682630, 0})), kDecimals);
    EXPECT_LT(distance(to_values(left.write.gradient()),
                       local({0.52819207, 0.17279496, 0.55666536, 0.22014762, 0.05661820, -0.18786948, 0, 0})),
              kDecimals);
    // A = -exp(log_rate) = -1, so that dA = -dlog_rate; both directions share it.
    const Tensor dlog_rate = Tensor::zeros({1}, Dtype::float64);
    ops::add(left.log_rate.gradient(), right.log_rate.gradient(), dlog_rate);
    world().all_reduce(dlog_rate);
    EXPECT_NEAR(to_values(dlog_rate)[0], 0.39875575, kDecimals);
  }
}

}  // namespace
}  // namespace longspan::testing
