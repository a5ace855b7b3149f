// Every pipeline schedule gives the losses and gradients of one rank, whichever order it runs them in. Each test runs
// on the meshes with a pipeline of the ranks that it was started with.
#include <gtest/gtest.h>

#include <filesystem>
#include <format>
#include <fstream>
#include <iostream>

#include "layout/make_schedule.hpp"
#include "layout/schedule_text.hpp"
#include "mesh/mesh_case.hpp"
#include "pipeline/measured_step.hpp"
#include "support/world.hpp"

namespace longspan::mesh_test {
namespace {

constexpr double kTolerance = 1e-10;

class ScheduleEquality : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { corpus = make_corpus(world()); }
  static void TearDownTestSuite() {
    world().barrier();
    if (world().rank() == 0) std::filesystem::remove(corpus);
  }

  static TrainConfig config() {
    TrainConfig c = small_config(corpus);
    c.model.layers = 8;
    c.model.width = 16;
    c.model.feed_forward = 26;
    c.data.sequence_length = 23;
    c.parallel.microbatches = 4;
    return c;
  }

  static Outcome one_rank(const TrainConfig& c, int steps) {
    return run_steps(c, {}, world().split("self", world().rank(), 0), steps);
  }

  static void expect_equal(const TrainConfig& c, const MeshShape& shape, const Outcome& one, int steps) {
    const Outcome mesh = run_steps(c, shape, world(), steps);
    const std::string what = c.parallel.schedule + ", recompute " + c.parallel.recompute + " on " + shape.str();
    EXPECT_LT(loss_deviation(mesh, one), kTolerance) << what;
    EXPECT_LT(gradient_deviation(mesh, one), kTolerance) << what;
  }

  static std::vector<MeshShape> pipelines() {
    std::vector<MeshShape> shapes;
    for (const MeshShape& shape : factorisations(world().size())) {
      if (shape.pipeline > 1 && shape.data <= 2) shapes.push_back(shape);
    }
    return shapes;
  }

  // The pipeline as long as can be, the rest on the sequence axis.
  static MeshShape longest_pipeline() {
    const int n = world().size(), p = n % 4 == 0 ? 4 : n;
    return {.pipeline = p, .sequence = n / p};
  }

  static std::string corpus;
};
std::string ScheduleEquality::corpus;

// On more than 4 ranks each mesh takes its turn with one of the schedules.
TEST_F(ScheduleEquality, EveryScheduleOnEveryMeshKeptAndRecomputed) {
  TrainConfig c = config();
  c.model.dropout = 0.1;
  const Outcome one = one_rank(c, 2);
  const auto& names = schedule_names();
  std::size_t turn = 0;
  for (const MeshShape& shape : pipelines()) {
    const std::size_t count = world().size() <= 4 ? 2 * names.size() : 2;
    for (std::size_t i = 0; i < count; ++i, ++turn) {
      c.parallel.schedule = names[turn % names.size()];
      c.parallel.recompute = kRecompute[turn / names.size() % kRecompute.size()];
      expect_equal(c, shape, one, 2);
    }
  }
}

TEST_F(ScheduleEquality, TwentySteps) {
  if (world().size() == 1 || world().size() > 8) GTEST_SKIP() << "20 steps are run on 2 to 8 ranks";
  TrainConfig c = config();
  c.run.steps = 20;
  const Outcome one = one_rank(c, 20);
  for (const std::string& name : schedule_names()) {
    c.parallel.schedule = name;
    expect_equal(c, longest_pipeline(), one, 20);
  }
}

TEST_F(ScheduleEquality, OnOneStageAndWithAnyNumberOfMicrobatches) {
  TrainConfig c = config();
  const Outcome one = one_rank(c, 2);
  for (const std::string& name : schedule_names()) {
    c.parallel.schedule = name;
    for (const int microbatches : {1, 2, 8}) {
      c.parallel.microbatches = microbatches;
      expect_equal(c, longest_pipeline(), one, 2);
    }
  }
}

// Layers shared by hand, learned positions, biases, an untied head; three chunks a stage.
TEST_F(ScheduleEquality, UnevenChunksAndUntiedHeads) {
  TrainConfig c = config();
  c.model.layers = 13;
  c.model.tied_embeddings = false;
  c.model.positions = "learned";
  c.model.bias = true;
  c.parallel.microbatches = 2;
  const Outcome one = one_rank(c, 2);
  const MeshShape shape = longest_pipeline();
  for (const auto& [name, chunks] : {std::pair{"1f1b", 1}, {"zb-h1", 1}, {"zb-v", 2}, {"interleaved", 3}}) {
    // 2, 1, 1, ... and all that is left.
    std::string layers = "2";
    for (int i = 2; i < shape.pipeline * chunks; ++i) layers += ",1";
    const int count = shape.pipeline * chunks;
    layers = count == 1 ? "13" : layers + "," + std::to_string(13 - count);
    c.parallel.schedule = name;
    c.parallel.virtual_stages = chunks;
    c.parallel.stage_layers = layers;
    expect_equal(c, shape, one, 2);
  }
}

// Masked tokens: each microbatch has another number of targets, and the loss is one sum over one count.
TEST_F(ScheduleEquality, MicrobatchesWithUnequalNumbersOfTargets) {
  TrainConfig c = config();
  c.model.causal = false;
  c.objective.kind = "masked_token";
  const Outcome one = one_rank(c, 2);
  for (const std::string& name : schedule_names()) {
    c.parallel.schedule = name;
    expect_equal(c, longest_pipeline(), one, 2);
  }
}

TEST_F(ScheduleEquality, AScheduleOfAFileIsRun) {
  TrainConfig c = config();
  const Outcome one = one_rank(c, 2);
  const MeshShape shape = longest_pipeline();
  const std::string path = corpus + ".schedule";
  if (world().rank() == 0) {
    std::ofstream(path) << to_text(make_schedule("zb-v", shape.pipeline, 4, 2));
  }
  world().barrier();
  c.parallel.schedule = "file:" + path;
  expect_equal(c, shape, one, 2);
  world().barrier();
  if (world().rank() == 0) std::filesystem::remove(path);
}

TEST_F(ScheduleEquality, ValidationLossIsThatOfOneRank) {
  TrainConfig c = config();
  c.validation.sequences = 7;
  c.data.validation_fraction = 0.1;
  const auto validation = [&](const MeshShape& shape, const Comm& ranks) {
    TrainConfig mine = c;
    mine.parallel.pipeline = shape.pipeline;
    mine.parallel.sequence = shape.sequence;
    Session session(mine, ranks);
    session.allocate(false);
    return session.validate().loss;
  };
  const double one = validation({}, world().split("self", world().rank(), 0));
  for (const std::string& name : schedule_names()) {
    c.parallel.schedule = name;
    EXPECT_NEAR(validation(longest_pipeline(), world()), one, kTolerance * one) << name;
  }
}

// Each rank's actions as they were measured, and the schedule's bubble for the durations that were.
TEST_F(ScheduleEquality, AMeasuredStepHasEveryActionAndTheBubbleOfTheFormula) {
  if (world().size() > 8) GTEST_SKIP() << "runs on at most 8 ranks";
  const MeshShape shape = longest_pipeline();
  for (const std::string& name : schedule_names()) {
    TrainConfig c = config();
    c.parallel.schedule = name;
    c.parallel.microbatches = 8;
    c.parallel.pipeline = shape.pipeline;
    c.parallel.sequence = shape.sequence;
    Session session(c, world());
    session.allocate(true);
    TrainingStep step(session);
    step.run(0);
    EXPECT_TRUE(session.executor().measured().empty());
    session.executor().set_measuring(true);
    step.run(1);
    const MeasuredStep measured = gather_measured(session.mesh(), session.executor());

    const Schedule& schedule = session.executor().schedule();
    const auto& tracks = measured.panels[0].tracks;
    ASSERT_EQ(static_cast<int>(tracks.size()), world().size());
    for (int rank = 0; rank < world().size(); ++rank) {
      std::vector<Action> expected, ran;
      for (const Action& a : schedule.actions[coordinate_of(shape, rank).pipeline]) {
        if (!is_message(a.kind)) expected.push_back(a);
      }
      double clock = 0;
      for (const TimedAction& a : tracks[rank].actions) {
        ran.push_back(a.action);
        EXPECT_GE(a.begin, clock);
        EXPECT_GE(a.end, a.begin);
        clock = a.end;
      }
      EXPECT_EQ(ran, expected);
    }
    const double formula = closed_form_bubble(schedule, measured.durations);
    if (formula >= 0) {
      EXPECT_NEAR(measured.planned_bubble, formula, 0.05 * formula + 1e-12) << name;
    }
    if (schedule.name.starts_with("zb") && shape.pipeline > 1) {  // below 1F1B, which takes the same time a microbatch
      const double chunks = schedule.chunks() / shape.pipeline;
      const KindDurations d{chunks * measured.durations.forward, chunks * measured.durations.backward_input,
                            chunks * measured.durations.backward_weight};
      EXPECT_LT(measured.planned_bubble, bubble(replay(make_schedule("1f1b", shape.pipeline, 8, 1), d))) << name;
    }
    if (world().rank() == 0) {
      std::cout << std::format("{:<12} on {}: bubble {:.3f} measured, {:.3f} planned, {:.3f} by formula\n", name,
                               shape.str(), measured.bubble, measured.planned_bubble, formula);
    }
  }
}

}  // namespace
}  // namespace longspan::mesh_test
