// Messages that are held back: not before their time, in order, and while the rank computes.
#include "comm/delay.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "base/timer.hpp"
#include "comm/counters.hpp"
#include "comm/transport.hpp"

namespace longspan {
namespace {

constexpr double kDelay = 0.05;

class Delay : public Transport {
 protected:
  Delay() { set_message_delay(kDelay); }
  ~Delay() override { set_message_delay(0); }
};
INSTANTIATE_TEST_SUITE_P(Every, Delay, every_way(), way_name);

Tensor numbers(double first) {
  return filled<float>({12}, [first](std::int64_t i) { return first + static_cast<double>(i); });
}
void expect_numbers(const Tensor& t, double first) {
  expect_values<float>(t, [first](std::int64_t i) { return first + static_cast<double>(i); });
}

// The message is the time at which it was sent: the ranks of a test share a machine and its clock.
TEST_P(Delay, NoMessageArrivesBeforeItsTime) {
  const int g = world().size(), me = world().rank(), next = (me + 1) % g, previous = (me + g - 1) % g;
  const auto now = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const Tensor in = Tensor::zeros({1}, Dtype::float64);
  Request receive = world().receive_async(in, previous, 3);
  Request send = world().send_async(filled<double>({1}, [now](std::int64_t) { return now(); }), next, 3);
  EXPECT_FALSE(send.test());
  receive.wait();
  EXPECT_GE(now() - in.to_host<double>()[0], kDelay);
  send.wait();
}

TEST_P(Delay, MessagesKeepTheirOrder) {
  const int me = world().rank();
  const Tensor first = Tensor::zeros({12}, Dtype::float32), second = Tensor::zeros({12}, Dtype::float32);
  Request one = world().send_async(numbers(1), me, 0), two = world().send_async(numbers(2), me, 0);
  world().receive(first, me, 0);
  world().receive(second, me, 0);
  one.wait();
  two.wait();
  expect_numbers(first, 1);
  expect_numbers(second, 2);
}

// Ten messages at once take one delay, not ten; and it passes while the rank is busy elsewhere, as long as it calls
// progress().
TEST_P(Delay, PassesDuringComputation) {
  const int g = world().size(), me = world().rank(), next = (me + 1) % g, previous = (me + g - 1) % g;
  std::vector<Tensor> in;
  std::vector<Request> requests;
  world().barrier();
  for (int i = 0; i < 10; ++i) {
    in.push_back(Tensor::zeros({12}, Dtype::float32));
    requests.push_back(world().receive_async(in.back(), previous, i));
    requests.push_back(world().send_async(numbers(i), next, i));
  }
  const Timer busy;
  while (busy.seconds() < 3 * kDelay) progress();
  const Timer waiting;
  for (Request& r : requests) r.wait();
  EXPECT_LT(waiting.seconds(), kDelay);
  for (int i = 0; i < 10; ++i) expect_numbers(in[static_cast<std::size_t>(i)], i);
}

TEST_P(Delay, OfCollectives) {
  const int g = world().size(), me = world().rank();
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(g), 1);
  const Tensor sum = filled<float>({g}, [](std::int64_t) { return 1.0; });
  const Tensor all = Tensor::zeros({g}, Dtype::float32), part = Tensor::zeros({1}, Dtype::float32);
  const Tensor mine = filled<float>({1}, [me](std::int64_t) { return me; });
  const Timer timer;
  Request reduce = world().all_reduce_async(sum);
  Request gather = world().all_gather_async(mine, all, rows);
  gather.wait();
  reduce.wait();
  world().reduce_scatter_async(sum, part, rows).wait();
  world().all_reduce(sum);  // blocking ones come after what is held back
  if (g > 1) {
    EXPECT_GE(timer.seconds(), 3 * kDelay);
  }
  expect_values<float>(all, [](std::int64_t i) { return i; });
  expect_values<float>(part, [g](std::int64_t) { return g * g; });
  expect_values<float>(sum, [g](std::int64_t) { return g * g; });
}

TEST_P(Delay, OfExchanges) {
  const int g = world().size(), me = world().rank();
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(g), 2);
  const Tensor out = filled<float>({2 * g}, [me](std::int64_t i) { return 10.0 * me + static_cast<double>(i / 2); });
  const Tensor in = Tensor::zeros({2 * g}, Dtype::float32);
  const Timer timer;
  world().all_to_all(out, rows, in, rows);
  if (g > 1) {
    EXPECT_GE(timer.seconds(), kDelay);
  }
  expect_values<float>(in, [me](std::int64_t i) { return 10.0 * static_cast<double>(i / 2) + me; });
}

// Whoever drops a request waits for it; that time is communication as well.
TEST_P(Delay, DroppedRequestsCountTheirSeconds) {
  if (world().size() == 1) GTEST_SKIP() << "one rank sends nothing";
  const Tensor sum = filled<float>({5}, [](std::int64_t) { return 1; });
  CommCounters::instance().reset();
  {
    const Request dropped = world().all_reduce_async(sum);
  }
  EXPECT_GE(CommCounters::instance().of("world", "all_reduce").seconds, 0.5 * kDelay);
}

}  // namespace
}  // namespace longspan
