// A copy of a parameter that differs is found, wherever it is, and its rank is named.
#include "train/replica_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.hpp"
#include "support/world.hpp"
#include "train/small_run.hpp"
#include "train/training_step.hpp"

namespace longspan::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ReplicaCheck : public ::testing::Test {
 protected:
  // After a step nothing differs; then the last rank's value of `name` does, in the last bit of its first element.
  void expect_found(const TrainConfig& config, const std::string& name) {
    Session session(config, world());
    session.allocate(true);
    TrainingStep(session).run(0);
    check_replicas(session.mesh(), session.store(), 1);
    const int last = world().size() - 1;
    for (const auto& p : session.store().all()) {
      if (p->info().name != name || world().rank() != last) continue;
      std::vector<float> values = p->value().to_host<float>();
      values[0] = std::nextafter(values[0], 10.0F);
      p->value().copy_from_host(values.data());
    }
    const auto check = [&] { check_replicas(session.mesh(), session.store(), 7); };
    if (last == 0) return check();
    EXPECT_THAT(sentence_of<EnvironmentError>(check),
                AllOf(HasSubstr("after step 7 the parameter " + name), HasSubstr(std::to_string(last))));
  }

  const SharedFolder folder_{world()};
  TrainConfig config_ = small_run(write_corpus(folder_, world()));
};

TEST_F(ReplicaCheck, AmongDataRanks) {
  config_.parallel.data = world().size();
  expect_found(config_, "blocks.1.attention.query.weight");
}

TEST_F(ReplicaCheck, AmongSequenceRanksWhoseLearnedPositionsDiffer) {
  config_.parallel.sequence = world().size();
  config_.model.positions = "learned";
  expect_found(config_, "blocks.0.mixer_norm.weight");
}

TEST_F(ReplicaCheck, AmongTensorRanks) {
  config_.parallel.tensor = world().size();
  expect_found(config_, "blocks.1.feed_forward_norm.weight");
}

TEST_F(ReplicaCheck, OfATiedEmbeddingAtBothEnds) {
  config_.parallel.pipeline = world().size();
  expect_found(config_, "embedding.weight");
}

TEST_F(ReplicaCheck, SharedOptimizersHoldWholeValues) {
  config_.parallel.data = world().size();
  config_.parallel.zero = 2;
  expect_found(config_, "final_norm.weight");
}

}  // namespace
}  // namespace longspan::testing
