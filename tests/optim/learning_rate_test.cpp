#include "optim/learning_rate.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace longspan {
namespace {

OptimizerConfig config(const std::string& schedule, std::int64_t warmup = 10) {
  OptimizerConfig c;
  c.learning_rate = 0.5;
  c.schedule = schedule;
  c.warmup = warmup;
  c.final_fraction = 0.1;
  return c;
}

constexpr std::int64_t kSteps = 111;  // steps 10 to 110 decay

TEST(LearningRate, WarmsUpLinearlyFromTheFirstStep) {
  for (const char* schedule : {"constant", "linear", "cosine"}) {
    EXPECT_DOUBLE_EQ(learning_rate(config(schedule), 0, kSteps), 0.05);
    EXPECT_DOUBLE_EQ(learning_rate(config(schedule), 4, kSteps), 0.25);
    EXPECT_DOUBLE_EQ(learning_rate(config(schedule), 9, kSteps), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(config(schedule), 10, kSteps), 0.5);
  }
}

TEST(LearningRate, ConstantStays) { EXPECT_DOUBLE_EQ(learning_rate(config("constant"), 110, kSteps), 0.5); }

TEST(LearningRate, LinearFallsToTheFinalFractionAtTheLastStep) {
  EXPECT_DOUBLE_EQ(learning_rate(config("linear"), 60, kSteps), 0.5 * 0.55);
  EXPECT_DOUBLE_EQ(learning_rate(config("linear"), 110, kSteps), 0.05);
}

TEST(LearningRate, CosineFallsToTheFinalFractionAtTheLastStep) {
  EXPECT_DOUBLE_EQ(learning_rate(config("cosine"), 35, kSteps), 0.5 * (0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5))));
  EXPECT_DOUBLE_EQ(learning_rate(config("cosine"), 60, kSteps), 0.5 * 0.55);
  EXPECT_DOUBLE_EQ(learning_rate(config("cosine"), 110, kSteps), 0.05);
}

TEST(LearningRate, StaysAtTheEndAfterTheLastStep) {
  EXPECT_DOUBLE_EQ(learning_rate(config("cosine"), 500, kSteps), 0.05);
}

TEST(LearningRate, NeedsNoWarmup) {
  EXPECT_DOUBLE_EQ(learning_rate(config("linear", 0), 0, 2), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(config("linear", 0), 1, 2), 0.05);
  EXPECT_DOUBLE_EQ(learning_rate(config("linear", 0), 0, 1), 0.5);
}

}  // namespace
}  // namespace longspan
