#include "train/generator.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/world.hpp"
#include "train/small_run.hpp"
#include "train/training_step.hpp"

namespace longspan::testing {
namespace {

class GeneratorTest : public ::testing::Test {
 protected:
  static Comm self() { return world().split("self", world().rank(), 0); }

  // A checkpoint of a few steps on a sequence mesh of all ranks.
  GeneratorTest() : config(small_run(write_corpus(folder, world()))) {
    config.parallel.sequence = world().size();
    Session session(config, world());
    session.allocate(true);
    TrainingStep step(session);
    for (int s = 0; s < 5; ++s) step.run(s);
    TrainState state;
    state.vocabulary = 257;
    state.tokenizer = "byte";
    save_checkpoint(checkpoint(), session.mesh(), session.store(), session.optimizer(), state);
  }

  std::string checkpoint() const { return folder.path("model.h5"); }

  std::string text(const GenerateConfig& generate, std::int64_t sample = 0) const {
    std::string all;
    made = Generator(checkpoint(), config, self()).generate(generate, sample, [&](const std::string& piece) {
      all += piece;
    });
    return all;
  }

  const SharedFolder folder{world()};
  TrainConfig config;
  mutable std::int64_t made = 0;
};

GenerateConfig request(std::int64_t tokens, std::int64_t seed = 1) {
  GenerateConfig g;
  g.prompt = "abc";
  g.tokens = tokens;
  g.seed = seed;
  return g;
}

TEST_F(GeneratorTest, SameSeedAndSampleGiveTheSameText) {
  const std::string first = text(request(60));
  EXPECT_EQ(text(request(60)), first);
  EXPECT_NE(text(request(60), 1), first);
  EXPECT_NE(text(request(60, 2)), first);
}

TEST_F(GeneratorTest, MakesAtMostTheTokensAskedFor) {
  text(request(7));
  EXPECT_LE(made, 7);
  EXPECT_EQ(text(request(0)), "");
}

TEST_F(GeneratorTest, MoreTokensContinueTheSameText) {
  GenerateConfig greedy = request(10);
  greedy.temperature = 0;
  const std::string start = text(greedy);
  greedy.tokens = 20;
  EXPECT_EQ(text(greedy).substr(0, start.size()), start);
}

TEST_F(GeneratorTest, GoesPastTheTrainedLengthWithoutLearnedPositions) {
  GenerateConfig greedy = request(50);
  greedy.temperature = 0;
  EXPECT_NO_THROW(text(greedy));
}

}  // namespace
}  // namespace longspan::testing
