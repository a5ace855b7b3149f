// What a schedule keeps alive is what its bound says, in bytes: with twice the microbatches (of the same size) a rank
// needs no more memory for activations, weight gradients that are put off included.
#include <gtest/gtest.h>

#include <filesystem>

#include "layout/make_schedule.hpp"
#include "mesh/mesh_case.hpp"
#include "support/world.hpp"

namespace longspan::mesh_test {
namespace {

std::size_t peak_activations(TrainConfig config, int microbatches) {
  config.parallel.microbatches = microbatches;
  config.data.batch = microbatches;
  Session session(config, world());
  session.allocate(true);
  TrainingStep step(session);
  step.run(0);
  MemoryPool::instance().reset_peak();
  step.run(1);
  return MemoryPool::instance().use(Memory::activations).peak;
}

TEST(ScheduleMemory, DoesNotGrowWithTheMicrobatches) {
  const int stages = world().size();
  if (stages < 2 || stages > 4) GTEST_SKIP() << "pipelines of 2 to 4 stages are measured";
  const std::string corpus = make_corpus(world());
  TrainConfig config = small_config(corpus);
  config.model.layers = 8;
  config.parallel.pipeline = stages;
  for (const std::string& name : schedule_names()) {
    config.parallel.schedule = name;
    const std::size_t fewer = peak_activations(config, 2 * stages), more = peak_activations(config, 4 * stages);
    // Tokens and targets of the step are there for all microbatches, in whole blocks of 64 bytes.
    const std::size_t tokens =
        static_cast<std::size_t>(2 * stages * 2 * ((config.data.sequence_length * 4 + 63) / 64 * 64));
    if (name == "gpipe") {
      EXPECT_GT(more, fewer * 3 / 2) << name;
    } else {
      EXPECT_EQ(more, fewer + tokens) << name;
    }
  }
  world().barrier();
  if (world().rank() == 0) std::filesystem::remove(corpus);
}

}  // namespace
}  // namespace longspan::mesh_test
