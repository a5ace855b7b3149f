#include "comm/transport.hpp"

namespace longspan {
namespace {

class Messages : public Transport {};
INSTANTIATE_TEST_SUITE_P(Every, Messages, every_way(), way_name);

double value_of(int rank, std::int64_t i) { return static_cast<double>(rank * 20 + i); }

// With one rank the ring leads to the rank itself.
TEST_P(Messages, GoAroundTheRing) {
  for_each_type([](auto zero) {
    using T = decltype(zero);
    const int g = world().size(), me = world().rank(), next = (me + 1) % g, previous = (me + g - 1) % g;
    const Tensor mine = filled<T>({4, 5}, [me](std::int64_t i) { return value_of(me, i); });
    const Tensor other = Tensor::empty({4, 5}, mine.dtype());
    Request receive = world().receive_async(other, previous, 7);
    Request send = world().send_async(mine, next, 7);
    while (!receive.test()) progress();
    send.wait();
    expect_values<T>(other, [previous](std::int64_t i) { return value_of(previous, i); });
  });
}

TEST_P(Messages, BlockingCallsPassATokenAlongTheRanks) {
  const int g = world().size(), me = world().rank();
  const Tensor token = Tensor::zeros({11}, Dtype::float64);
  if (me > 0) world().receive(token, me - 1, 0);
  expect_values<double>(token, [me](std::int64_t) { return me; });
  token.copy_from_host(std::vector<double>(11, me + 1).data());
  if (me + 1 < g) world().send(token, me + 1, 0);
}

TEST_P(Messages, KeepTheirOrderAndTheirTags) {
  const int g = world().size(), me = world().rank(), next = (me + 1) % g, previous = (me + g - 1) % g;
  std::vector<Tensor> received;
  std::vector<Request> requests;
  for (int k = 0; k < 4; ++k) received.push_back(Tensor::empty({10}, Dtype::int32));
  // Tag 1 is awaited first but sent last; messages 1 and 2 share tag 0.
  requests.push_back(world().receive_async(received[3], previous, 1));
  for (int k = 0; k < 3; ++k) requests.push_back(world().receive_async(received[k], previous, 0));
  for (int k = 0; k < 4; ++k) {
    const Tensor t = filled<std::int32_t>({10}, [&](std::int64_t i) { return 100 * k + value_of(me, i); });
    requests.push_back(world().send_async(t, next, k == 3 ? 1 : 0));
  }
  for (Request& request : requests) request.wait();
  for (int k = 0; k < 4; ++k) {
    expect_values<std::int32_t>(received[k], [&](std::int64_t i) { return 100 * k + value_of(previous, i); });
  }
}

TEST(Request, HoldsItsTensorUntilItIsDone) {
  const Tensor out = Tensor::zeros({6}, Dtype::float32), in = Tensor::empty({6}, Dtype::float32);
  EXPECT_TRUE(out.sole_owner());
  Request receive = world().receive_async(in, world().rank(), 0);
  Request send = world().send_async(out, world().rank(), 0);
  EXPECT_FALSE(out.sole_owner());
  receive.wait();
  send.wait();
  EXPECT_TRUE(out.sole_owner());
}

TEST(Request, WaitsWhenItIsDroppedOrReplaced) {
  const int me = world().rank();
  const Tensor out = filled<float>({6}, [me](std::int64_t i) { return value_of(me, i); });
  const Tensor first = Tensor::empty({6}, Dtype::float32), second = Tensor::empty({6}, Dtype::float32);
  {
    Request send = world().send_async(out, me, 0), again = world().send_async(out, me, 0);
    Request receive = world().receive_async(first, me, 0);
    receive = world().receive_async(second, me, 0);
    expect_values<float>(first, [me](std::int64_t i) { return value_of(me, i); }, "replaced");
  }
  expect_values<float>(second, [me](std::int64_t i) { return value_of(me, i); }, "dropped");
}

TEST(MessageErrors, OfAnotherSizeAreRefused) {
  const Tensor three = Tensor::zeros({3}, Dtype::float32), five = Tensor::empty({5}, Dtype::float32);
  Request receive = world().receive_async(five, world().rank(), 0);
  Request send = world().send_async(three, world().rank(), 0);
  send.wait();
  EXPECT_THROW(receive.wait(), std::logic_error);
}

TEST(MessageErrors, ToNobodyOrWithAWrongTagAreRefused) {
  const Tensor t = Tensor::zeros({3}, Dtype::float32);
  EXPECT_THROW(world().send(t, world().size(), 0), std::logic_error);
  EXPECT_THROW(world().receive(t, -1, 0), std::logic_error);
  EXPECT_THROW(world().send(t, 0, -1), std::logic_error);
}

}  // namespace
}  // namespace longspan
