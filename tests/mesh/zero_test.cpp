// Whatever ZeRO shares, losses and gradients are those of one rank, memory and messages those of the closed forms. Each
// test runs on meshes of the ranks that it was started with whose data and sequence axes hold something in common.
#include <gtest/gtest.h>

#include <filesystem>
#include <format>

#include "layout/make_schedule.hpp"
#include "layout/volume.hpp"
#include "mesh/mesh_case.hpp"
#include "mixers/mixer.hpp"
#include "support/world.hpp"
#include "tensor/shape_only.hpp"

namespace longspan::mesh_test {
namespace {

constexpr double kTolerance = 1e-10;
constexpr int kSteps = 3;
constexpr int kStages[] = {1, 2, 3};

class Zero : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { corpus = make_corpus(world()); }
  static void TearDownTestSuite() {
    world().barrier();
    if (world().rank() == 0) std::filesystem::remove(corpus);
  }

  static TrainConfig small() {
    TrainConfig c = small_config(corpus);
    c.model.width = 16;
    c.model.feed_forward = 26;
    c.data.sequence_length = 23;
    return c;
  }

  static Outcome one_rank(const TrainConfig& c) {
    return run_steps(c, {}, world().split("self", world().rank(), 0), kSteps);
  }

  static void expect_equal(TrainConfig c, int zero, const MeshShape& shape, const Outcome& one) {
    c.parallel.zero = zero;
    const Outcome mesh = run_steps(c, shape, world(), kSteps);
    const std::string what = std::format("stage {}, {}, {}, recompute {}, {}", zero, c.model.mixers,
                                         c.parallel.schedule, c.parallel.recompute, shape.str());
    EXPECT_LT(loss_deviation(mesh, one), kTolerance) << what;
    EXPECT_LT(gradient_deviation(mesh, one), kTolerance) << what;
    EXPECT_EQ(MemoryPool::instance().use(Memory::parameters).current, 0U) << what;
  }

  // Meshes with more than one holder, of `pipeline` stages or more.
  static std::vector<MeshShape> shared_meshes(int pipeline = 1) {
    std::vector<MeshShape> shapes;
    for (const MeshShape& shape : factorisations(world().size())) {
      if (shape.data * shape.sequence > 1 && shape.pipeline >= pipeline) shapes.push_back(shape);
    }
    return shapes;
  }

  // All axes that the number of ranks allows: 2 x 2 x 2 x 2 of 16 ranks.
  static MeshShape even_mesh() {
    MeshShape shape;
    int n = world().size();
    for (const Axis axis : {Axis::sequence, Axis::data, Axis::pipeline, Axis::tensor}) {
      if (n % 2 == 0) shape = shape.with(axis, 2), n /= 2;
    }
    shape.sequence *= n;
    return shape;
  }

  static std::string corpus;
};
std::string Zero::corpus;

// On more than 4 ranks the meshes take turns with the stages.
TEST_F(Zero, EveryStageOnEveryMesh) {
  TrainConfig c = small();
  const Outcome one = one_rank(c);
  int turn = 0;
  for (const MeshShape& shape : shared_meshes()) {
    ++turn;
    if (world().size() > 8 && turn % 4 != 0) continue;
    for (const int zero : kStages) {
      if (world().size() > 4 && turn % 3 + 1 != zero) continue;
      c.parallel.recompute = kRecompute[turn % kRecompute.size()];
      expect_equal(c, zero, shape, one);
    }
  }
}

// The stages and schedules take turns with keeping and recomputing; an untied head where the turn is odd.
TEST_F(Zero, EverySchedule) {
  if (world().size() % 4 != 0) GTEST_SKIP() << "a pipeline of ranks that share something takes 4, 8 or 16 ranks";
  TrainConfig c = small();
  c.model.layers = 8;
  c.parallel.microbatches = 4;
  const Outcome tied = one_rank(c);
  c.model.tied_embeddings = false;
  const Outcome untied = one_rank(c);
  const int n = world().size();
  const std::vector<MeshShape> shapes = {{.data = n / 4, .pipeline = 2, .sequence = 2},
                                         {.data = 2, .pipeline = n == 16 ? 4 : 2, .sequence = n == 16 ? 2 : n / 4}};
  std::size_t turn = 0;
  for (const std::string& name : schedule_names()) {
    for (const int zero : {2, 3}) {
      c.parallel.schedule = name;
      c.parallel.recompute = kRecompute[turn / 2 % kRecompute.size()];
      c.model.tied_embeddings = turn % 4 != 1;
      expect_equal(c, zero, shapes[turn % shapes.size()], c.model.tied_embeddings ? tied : untied);
      ++turn;
    }
  }
}

// Linformer's matrices and learned positions: each rank of the sequence axis has rows of its own.
TEST_F(Zero, ParametersSplitByPositions) {
  if (world().size() == 1) GTEST_SKIP() << "nothing is shared on one rank";
  TrainConfig c = small();
  c.model.mixers = "linformer,attention";
  c.model.linformer_rank = 7;
  c.model.causal = false;
  c.model.positions = "learned";
  c.objective.kind = "masked_token";
  c.data.mask_documents = false;
  const Outcome one = one_rank(c);
  for (const int zero : kStages) expect_equal(c, zero, even_mesh(), one);
  for (const int zero : kStages) expect_equal(c, zero, {.sequence = world().size()}, one);
}

// In two passes the weight parts of a backward run when the values have gone.
TEST_F(Zero, EveryMixerInTwoBackwardPasses) {
  if (world().size() != 4) GTEST_SKIP() << "run on 4 ranks";
  for (const std::string& mixer : mixer_names()) {
    TrainConfig c = small();
    c.model.layers = 2;
    c.model.mixers = mixer;
    c.model.causal = mixer != "hydra" && mixer != "linformer";
    if (!c.model.causal) c.objective.kind = "masked_token";
    c.model.chunk = 8;
    c.model.state_width = 8;
    c.data.mask_documents = mixer != "linformer";
    c.parallel.schedule = "zb-h1";
    const Outcome one = one_rank(c);
    expect_equal(c, 3, {.data = 2, .pipeline = 2}, one);
    expect_equal(c, 3, {.tensor = 2, .sequence = 2}, one);
  }
}

std::int64_t bytes_of(const std::string& group, const std::string& kind) {
  return CommCounters::instance().of(group, kind).bytes;
}

// Bytes of gradient sums and of gathered values of a step, by group.
struct Expected {
  std::map<std::string, std::int64_t> sums, gathers;
};

Expected expected_volume(const Session& session, ParameterStore& store) {
  const TrainConfig& c = session.config();
  const auto value = static_cast<std::int64_t>(size_of(session.dtype()));
  const auto accumulated = static_cast<std::int64_t>(size_of(accumulation_dtype(session.dtype())));
  const std::int64_t m = c.parallel.microbatches;
  Expected expected;
  for (const ParameterPiece& piece : store.pieces()) {
    if (piece.holders == 1) continue;
    const std::string& group = session.mesh().holders(piece.split_axis).name();
    const std::int64_t n = piece.range.size();
    // Blocks and heads are needed forward and backward, the embedding forward alone; a tied head on its stage reads it
    // both ways too.
    const bool embedding = piece.group == 0;
    const bool read_by_head = embedding && c.model.tied_embeddings && c.parallel.pipeline == 1;
    const std::int64_t uses = embedding ? (read_by_head ? 3 : 1) : 2;
    expected.sums[group] += gradient_sum_volume(n * accumulated, piece.holders, store.zero(), m);
    expected.gathers[group] += value_gather_volume(n * value, piece.holders, store.zero(), uses * m);
  }
  return expected;
}

std::int64_t current(Memory category) {
  return static_cast<std::int64_t>(MemoryPool::instance().use(category).current);
}

std::int64_t peak(Memory category) { return static_cast<std::int64_t>(MemoryPool::instance().use(category).peak); }

// What the pool accounts for a tensor of so many bytes.
std::int64_t block(std::int64_t bytes) {
  const ShapeOnly scope;
  const Tensor tensor = Tensor::empty({bytes / 2}, Dtype::bfloat16, Memory::workspace);
  return current(Memory::workspace);
}

// Stages 0 to 3 in every dtype: what stays after a step, the most that was there, and what was sent.
TEST_F(Zero, MemoryAndMessagesAreThoseOfTheClosedForms) {
  for (const char* dtype : {"float64", "float32", "bfloat16"}) {
    for (int zero = 0; zero <= 3; ++zero) {
      TrainConfig c = small();
      c.run.dtype = dtype;
      c.model.positions = "learned";
      c.parallel.zero = zero;
      c = with_mesh(c, even_mesh());
      SCOPED_TRACE(std::format("{} stage {}", dtype, zero));
      Session session(c, world());
      session.allocate(true);
      TrainingStep step(session);
      step.run(0);
      MemoryPool::instance().reset_peak();
      CommCounters::instance().reset();
      step.run(1);
      const StateBytes bytes = session.state_bytes();
      const auto states = static_cast<std::int64_t>(session.optimizer().states().size());
      EXPECT_EQ(current(Memory::parameters), block(bytes.parameters));
      EXPECT_EQ(current(Memory::gradients), block(bytes.gradients));
      EXPECT_EQ(current(Memory::optimizer), states * block(bytes.optimizer / states));
      const Expected expected = expected_volume(session, session.store());
      for (const char* group : {"stage", "replicas", "positions"}) {
        const auto of = [&](const std::map<std::string, std::int64_t>& all) {
          const auto found = all.find(group);
          return found == all.end() ? 0 : found->second;
        };
        // all_reduce has the counts, norms and losses of the step too.
        const std::int64_t sums = zero > 0 ? of(expected.sums) : 0;
        EXPECT_EQ(bytes_of(group, "reduce_scatter"), sums) << group;
        EXPECT_EQ(bytes_of(group, "all_gather"), of(expected.gathers)) << group;
      }
    }
  }
}

// Nothing grows with the depth but what is kept.
TEST_F(Zero, WholeValuesAndGradientsAreThoseOfTwoGroupsAtATime) {
  if (world().size() == 1) GTEST_SKIP() << "nothing is shared on one rank";
  for (const std::int64_t layers : {4, 8}) {
    TrainConfig c = small();
    c.model.layers = layers;
    c.model.tied_embeddings = false;
    c.parallel.zero = 3;
    c = with_mesh(c, {.sequence = world().size()});
    Session session(c, world());
    session.allocate(true);
    TrainingStep step(session);
    MemoryPool::instance().reset_peak();
    step.run(0);
    const std::vector<ParameterPiece> groups = session.store().pieces();
    std::int64_t values = 0, gradients = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      ASSERT_EQ(groups[i].group, static_cast<int>(i));
      const ParameterPiece& before = i > 0 ? groups[i - 1] : groups.back();
      const std::int64_t both = block(before.range.size() * 8) + block(groups[i].range.size() * 8);
      if (i > 0) values = std::max(values, both);
      // While the group before fills, this one is being summed to the own part of it: the embedding's gradients while
      // those of the next microbatch's head are made.
      gradients = std::max(gradients, both + block(groups[i].owned.size() * 8));
    }
    const StateBytes kept = session.state_bytes();
    EXPECT_EQ(peak(Memory::parameters), block(kept.parameters) + values) << layers;
    EXPECT_EQ(peak(Memory::gradients), block(kept.gradients) + gradients) << layers;
  }
}

}  // namespace
}  // namespace longspan::mesh_test
