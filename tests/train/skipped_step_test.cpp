// A step whose loss or gradient is not finite leaves weights and optimizer as they are, on every rank, also where only
// one rank met it.
#include <gtest/gtest.h>

#include "support/world.hpp"
#include "train/small_run.hpp"
#include "train/training_step.hpp"

namespace longspan::testing {
namespace {

std::vector<std::vector<float>> everything(Session& session) {
  std::vector<std::vector<float>> all = {session.store().values().to_host<float>()};
  for (const Optimizer::State& state : session.optimizer().states()) all.push_back(state.flat.to_host<float>());
  return all;
}

void expect_skipped(TrainConfig config) {
  Session session(config, world());
  session.allocate(true);
  TrainingStep step(session);
  EXPECT_FALSE(step.run(0).skipped);
  const auto before = everything(session);

  // The last rank's norms overflow; the others have sane values.
  const bool poisoned = world().rank() == world().size() - 1;
  const Tensor values = session.store().values();
  if (poisoned) values.copy_from_host(std::vector<float>(before[0].size(), 3e38F).data());
  EXPECT_TRUE(step.run(1).skipped);
  if (poisoned) values.copy_from_host(before[0].data());
  EXPECT_EQ(everything(session), before);
  EXPECT_EQ(session.optimizer().steps_done(), 1);

  const StepResult next = step.run(2);
  EXPECT_FALSE(next.skipped);
  EXPECT_NE(everything(session), before);
  EXPECT_EQ(session.optimizer().steps_done(), 2);
}

class SkippedStep : public ::testing::Test {
 protected:
  const SharedFolder folder_{world()};
  TrainConfig config_ = small_run(write_corpus(folder_, world()));
};

TEST_F(SkippedStep, AmongDataRanks) {
  config_.parallel.data = world().size();
  expect_skipped(config_);
}

TEST_F(SkippedStep, AmongDataRanksThatShareTheOptimizer) {
  config_.parallel.data = world().size();
  config_.parallel.zero = 2;
  expect_skipped(config_);
}

TEST_F(SkippedStep, AmongTensorRanks) {
  config_.parallel.tensor = world().size();
  expect_skipped(config_);
}

TEST_F(SkippedStep, AmongSequenceRanks) {
  config_.parallel.sequence = world().size();
  expect_skipped(config_);
}

TEST_F(SkippedStep, AmongStages) {
  config_.model.layers = 4;
  config_.parallel.pipeline = world().size();
  expect_skipped(config_);
}

}  // namespace
}  // namespace longspan::testing
