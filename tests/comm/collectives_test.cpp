#include <limits>

#include "comm/transport.hpp"

namespace longspan {
namespace {

class AllReduce : public Transport {};
class Broadcast : public Transport {};
INSTANTIATE_TEST_SUITE_P(Every, AllReduce, every_way(), way_name);
INSTANTIATE_TEST_SUITE_P(Every, Broadcast, every_way(), way_name);

constexpr Reduce kOps[] = {Reduce::sum, Reduce::max, Reduce::min};

// Small integers: exact in every dtype, also summed over many ranks.
double value_of(int rank, std::int64_t i) { return static_cast<double>((i * 7 + rank * 3) % 11 - 5); }

double reduced(Reduce op, std::int64_t i) {
  double sum = 0, largest = -100, smallest = 100;
  for (int rank = 0; rank < world().size(); ++rank) {
    const double v = value_of(rank, i);
    sum += v;
    largest = std::max(largest, v);
    smallest = std::min(smallest, v);
  }
  return op == Reduce::sum ? sum : op == Reduce::max ? largest : smallest;
}

TEST_P(AllReduce, EqualsTheClosedForm) {
  for_each_type([](auto zero) {
    using T = decltype(zero);
    for (const std::int64_t size : {0, 1, 33}) {
      for (const Reduce op : kOps) {
        const Tensor t = filled<T>({size}, [](std::int64_t i) { return value_of(world().rank(), i); });
        world().all_reduce(t, op);
        expect_values<T>(t, [op](std::int64_t i) { return reduced(op, i); });
      }
    }
  });
}

TEST_P(AllReduce, AsyncEqualsBlockingWithSeveralUnderWay) {
  for_each_type([](auto zero) {
    using T = decltype(zero);
    std::vector<Tensor> tensors;
    std::vector<Request> requests;
    for (const Reduce op : kOps) {
      tensors.push_back(filled<T>({33}, [](std::int64_t i) { return value_of(world().rank(), i); }));
      requests.push_back(world().all_reduce_async(tensors.back(), op));
    }
    while (!requests[2].test()) progress();
    EXPECT_FALSE(requests[2].active());
    for (Request& request : requests) request.wait();
    for (int k = 0; k < 3; ++k) {
      expect_values<T>(tensors[k], [k](std::int64_t i) { return reduced(kOps[k], i); });
    }
  });
}

TEST_P(AllReduce, KeepsANaNOfAnyRank) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const int last = world().size() - 1;
  const auto value = [&](int rank, std::int64_t i) { return i == 4 && rank == last ? nan : value_of(rank, i); };
  const auto check = [&](auto zero) {
    using T = decltype(zero);
    for (const Reduce op : kOps) {
      const Tensor t = filled<T>({9}, [&](std::int64_t i) { return value(world().rank(), i); });
      world().all_reduce(t, op);
      expect_values<T>(t, [&](std::int64_t i) { return i == 4 ? nan : reduced(op, i); });
    }
  };
  check(double());
  check(float());
  check(bfloat16(0.0f));
}

TEST_P(AllReduce, RoundsEachSumOfBfloat16ToNearestEven) {
  // 1 + 2^-8 lies between 1 and 1 + 2^-7; 1 is even. 1 + 3 * 2^-8 rounds up to 1 + 2^-6.
  if (world().size() < 2) return;
  const Comm pair = world().split("pair", world().rank() < 2 ? 0 : 1, world().rank());
  if (world().rank() >= 2) return;
  const Tensor t = filled<bfloat16>(
      {2}, [&](std::int64_t i) { return pair.rank() == 0 ? (i == 0 ? 1.0 : 1.0 + 1.0 / 128) : 1.0 / 256; });
  pair.all_reduce(t);
  expect_values<bfloat16>(t, [](std::int64_t i) { return i == 0 ? 1.0 : 1.0 + 1.0 / 64; });
}

TEST_P(Broadcast, GivesTheRootsValuesToAll) {
  for_each_type([](auto zero) {
    using T = decltype(zero);
    for (int root = 0; root < world().size(); ++root) {
      const Tensor t = filled<T>({3, 5}, [](std::int64_t i) { return value_of(world().rank(), i); });
      world().broadcast(t, root);
      expect_values<T>(t, [root](std::int64_t i) { return value_of(root, i); });
    }
  });
}

TEST(HostValues, AreReducedGatheredAndBroadcast) {
  const int g = world().size();
  EXPECT_EQ(world().all_reduce_value(1.5), 1.5 * g);
  EXPECT_EQ(world().all_reduce_value(static_cast<double>(world().rank()), Reduce::max), g - 1);
  EXPECT_EQ(world().all_reduce_value(std::int64_t{1} << 40), g * (std::int64_t{1} << 40));
  EXPECT_EQ(world().all_reduce_value(static_cast<std::int64_t>(world().rank()), Reduce::min), 0);
  const std::vector<double> all = world().all_gather_value(10.0 * world().rank());
  ASSERT_EQ(static_cast<int>(all.size()), g);
  for (int r = 0; r < g; ++r) EXPECT_EQ(all[r], 10.0 * r);
  for (int root = 0; root < g; ++root) {
    const std::string text = root % 2 == 0 ? "from " + std::to_string(root) : "";
    EXPECT_EQ(world().broadcast_text(world().rank() == root ? text : "else", root), text);
  }
  world().barrier();
}

TEST(CommErrors, NameTheOperationAndTheGroup) {
  if (world().size() == 1) return;  // a group of one makes no call that could fail
  const Tensor t = Tensor::zeros({2}, Dtype::float32);
  try {
    world().broadcast(t, world().size());
    ADD_FAILURE() << "a root outside the group was taken";
  } catch (const EnvironmentError& e) {
    EXPECT_NE(std::string(e.what()).find("broadcast over the group 'world' failed"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("MPI_ERR_ROOT"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace longspan
