// Counted bytes equal the closed forms of the classical algorithms.
#include "comm/counters.hpp"

#include <gtest/gtest.h>

#include "support/world.hpp"

namespace longspan {
namespace {

CommCount counted(const std::string& kind) { return CommCounters::instance().of("world", kind); }

void expect_count(const std::string& kind, std::int64_t calls, std::int64_t bytes) {
  if (world().size() == 1) calls = bytes = 0;
  EXPECT_EQ(counted(kind).calls, calls) << kind;
  EXPECT_EQ(counted(kind).bytes, bytes) << kind;
  EXPECT_EQ(counted(kind).seconds > 0, calls > 0) << kind;
}

class CommCountersTest : public testing::Test {
 protected:
  CommCountersTest() { CommCounters::instance().reset(); }
  const int g_ = world().size(), me_ = world().rank();
  const std::int64_t n_ = 8 * 6 * 5 * g_;  // bytes of all_
  const Tensor all_ = Tensor::zeros({6 * g_, 5}, Dtype::float64);
  const Tensor mine_ = Tensor::zeros({6, 5}, Dtype::float64);
  const std::vector<std::int64_t> rows_ = std::vector<std::int64_t>(g_, 6);
};

TEST_F(CommCountersTest, AllReduceCountsTwoShares) {
  world().all_reduce(all_);
  world().all_reduce_async(all_, Reduce::max).wait();
  expect_count("all_reduce", 2, 2 * (2 * n_ * (g_ - 1) / g_));
}

TEST_F(CommCountersTest, GatherAndScatterCountOneShare) {
  world().all_gather(mine_, all_, rows_);
  world().all_gather_async(mine_, all_, rows_).wait();
  expect_count("all_gather", 2, 2 * (n_ * (g_ - 1) / g_));
  world().reduce_scatter(all_, mine_, rows_);
  world().reduce_scatter_async(all_, mine_, rows_).wait();
  expect_count("reduce_scatter", 2, 2 * (n_ * (g_ - 1) / g_));
}

TEST_F(CommCountersTest, AllToAllCountsWhatGoesToOthers) {
  const Tensor receive = Tensor::empty({6 * g_, 5}, Dtype::float64);
  world().all_to_all(all_, rows_, receive, rows_);
  expect_count("all_to_all", 1, n_ * (g_ - 1) / g_);
}

TEST_F(CommCountersTest, BroadcastAndSendCountAtTheSender) {
  world().broadcast(mine_, 0);
  expect_count("broadcast", 1, me_ == 0 ? 240 : 0);
  if (me_ > 0) world().receive(mine_, me_ - 1, 0);
  if (me_ + 1 < g_) world().send(mine_, me_ + 1, 0);
  expect_count("send", me_ + 1 < g_ ? 1 : 0, me_ + 1 < g_ ? 240 : 0);
  expect_count("receive", me_ > 0 ? 1 : 0, 0);
}

TEST_F(CommCountersTest, HostValuesAreKindsOfTheirOwn) {
  world().all_reduce_value(1.0);
  world().all_gather_value(1.0);
  world().broadcast_text("twelve bytes", 0);
  world().barrier();
  expect_count("all_reduce_value", 1, 16 * (g_ - 1) / g_);
  expect_count("all_gather_value", 1, 8 * (g_ - 1));
  expect_count("broadcast_text", 1, me_ == 0 ? 12 : 0);
  expect_count("barrier", 1, 0);
  EXPECT_EQ(CommCounters::instance().of_group("world").calls, g_ == 1 ? 0 : 4);
}

TEST_F(CommCountersTest, AGroupOfOneCountsNothing) {
  const Comm alone = world().split("alone", me_, 0);
  const Tensor receive = Tensor::empty({6, 5}, Dtype::float64);
  alone.all_reduce(mine_);
  alone.broadcast(mine_, 0);
  alone.all_gather(mine_, receive, {6});
  alone.reduce_scatter_async(mine_, receive, {6}).wait();
  alone.all_to_all(mine_, {6}, receive, {6});
  alone.all_reduce_value(2.0);
  alone.barrier();
  EXPECT_EQ(receive.to_host<double>(), mine_.to_host<double>());
  EXPECT_EQ(CommCounters::instance().of_group("alone").calls, 0);
}

}  // namespace
}  // namespace longspan
