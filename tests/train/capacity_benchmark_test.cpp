#include "train/capacity_benchmark.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "tensor/device.hpp"

namespace longspan::testing {
namespace {

TrainConfig small() {
  TrainConfig c;
  c.model.layers = 2;
  c.model.width = 32;
  c.model.heads = 4;
  c.data.sequence_length = 64;
  c.data.batch = 2;
  c.data.mask_documents = false;
  c.run.memory_limit = device::host_accessible() ? 32 << 20 : 96 << 20;  // a GPU's products have a large workspace
  return c;
}

TEST(Capacity, FindsTheLastBatchThatFits) {
  const Capacity most = find_capacity(small(), Grow::batch, 100);
  EXPECT_GT(most.config.data.batch, 1);
  EXPECT_LE(most.account.peak_total, static_cast<std::size_t>(small().run.memory_limit));
  TrainConfig more = most.config;
  ++more.data.batch;
  EXPECT_THROW(find_capacity(more, Grow::nothing, 100), EnvironmentError);
}

TEST(Capacity, MoreRanksHoldLongerSequences) {
  TrainConfig c = small();
  const std::int64_t one = find_capacity(c, Grow::length, 100).config.data.sequence_length;
  c.parallel.sequence = 4;
  const std::int64_t four = find_capacity(c, Grow::length, 100).config.data.sequence_length;
  EXPECT_GT(four, 2 * one);
}

TEST(Capacity, BatchesGrowByTheRanksThatShareThem) {
  TrainConfig c = small();
  c.parallel.data = 2;
  c.parallel.microbatches = 3;
  EXPECT_EQ(find_capacity(c, Grow::batch, 100).config.data.batch % 6, 0);
}

TEST(Capacity, SaysWhatIsMissing) {
  TrainConfig c = small();
  c.run.memory_limit = 0;
  EXPECT_NE(sentence_of([&] { find_capacity(c, Grow::batch, 100); }).find("run.memory_limit"), std::string::npos);
  c.run.memory_limit = 1000;
  EXPECT_THROW(find_capacity(c, Grow::batch, 100), EnvironmentError);
}

}  // namespace
}  // namespace longspan::testing
