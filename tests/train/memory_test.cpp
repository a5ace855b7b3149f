// After the first steps a run allocates nothing more: the pool serves every tensor from kept blocks, and the process
// does not grow.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "support/world.hpp"
#include "train/small_run.hpp"
#include "train/training_step.hpp"

namespace longspan::testing {
namespace {

constexpr int kWarm = 10, kSteps = 60;

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

void expect_steady(const TrainConfig& config) {
  Session session(config, world());
  session.allocate(true);
  TrainingStep step(session);
  for (int s = 0; s < kWarm; ++s) step.run(s);
  const MemoryPool& pool = MemoryPool::instance();
  const std::size_t reserved = pool.reserved(), calls = pool.system_allocations(), live = pool.total().current;
  const std::int64_t resident = resident_bytes();
  for (int s = kWarm; s < kSteps; ++s) step.run(s);
  EXPECT_EQ(pool.reserved(), reserved);
  EXPECT_EQ(pool.system_allocations(), calls);
  EXPECT_EQ(pool.total().current, live);
  EXPECT_LT(resident_bytes() - resident, 2 << 20);
}

TEST(SteadyState, StepsAllocateNothing) {
  const SharedFolder folder(world());
  TrainConfig c = small_run(write_corpus(folder, world()));
  c.parallel.data = world().size();
  expect_steady(c);
}

TEST(SteadyState, SequenceShardsWithRecomputationAllocateNothing) {
  const SharedFolder folder(world());
  TrainConfig c = small_run(write_corpus(folder, world()));
  c.parallel.sequence = world().size();
  c.parallel.recompute = "block";
  c.parallel.microbatches = 2;
  c.model.dropout = 0.1;
  expect_steady(c);
}

TEST(SteadyState, PipelineAllocatesNothing) {
  const SharedFolder folder(world());
  TrainConfig c = small_run(write_corpus(folder, world()));
  c.parallel.pipeline = world().size();
  c.parallel.microbatches = 4;
  expect_steady(c);
}

}  // namespace
}  // namespace longspan::testing
