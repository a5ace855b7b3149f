#include "tensor/shape_only.hpp"

#include <gmock/gmock.h>

#include <optional>

#include "support/expect_error.hpp"
#include "tensor/device.hpp"
#include "tensor/tensor.hpp"

namespace longspan::testing {
namespace {

using ::testing::HasSubstr;

struct Counts {
  std::size_t current, peak, workspace_peak, reserved, allocations;
  bool operator==(const Counts&) const = default;
};

// What a history of tensors with reuse of freed blocks adds to the present pool.
Counts count_history() {
  MemoryPool& pool = MemoryPool::instance();
  pool.release_kept_blocks();
  pool.reset_peak();
  const std::size_t current = pool.total().current, workspace = pool.use(Memory::workspace).current,
                    reserved = pool.reserved(), allocations = pool.system_allocations();
  const Tensor kept = Tensor::zeros({1000, 3}, Dtype::float32);
  for (const std::int64_t n : {100, 1000, 990, 17, 100000}) {
    const Tensor t = Tensor::empty({n}, Dtype::bfloat16, Memory::workspace, "test");
    const Tensor indices = Tensor::from_host(std::vector<std::int32_t>(static_cast<std::size_t>(n), 1), {n});
  }
  return {pool.total().current - current, pool.total().peak - current, pool.use(Memory::workspace).peak - workspace,
          pool.reserved() - reserved, pool.system_allocations() - allocations};
}

TEST(ShapeOnly, AccountsAsWithStorage) {
  const Counts real = count_history();
  const ShapeOnly scope;
  EXPECT_EQ(count_history(), real);
}

TEST(ShapeOnly, ReservesNothing) {
  const ShapeOnly scope;
  const std::int64_t petabyte = std::int64_t{1} << 50;
  const Tensor huge = Tensor::zeros({petabyte / 8}, Dtype::float64);
  EXPECT_EQ(MemoryPool::instance().total().current, static_cast<std::size_t>(petabyte));
  EXPECT_NE(huge.raw(), nullptr);
  device::copy_on_device(huge.raw(), huge.slice(1, 10).raw(), 80);
}

TEST(ShapeOnly, LeavesTheProcessItsPool) {
  const Tensor before = Tensor::from_host(std::vector<double>{1, 2, 3}, {3});
  MemoryPool& own = MemoryPool::instance();
  const std::size_t current = own.total().current;
  std::optional<Tensor> dropped_inside = Tensor::empty({100}, Dtype::float64);
  {
    const ShapeOnly scope;
    const Tensor inside = Tensor::empty({1000}, Dtype::float64);
    EXPECT_TRUE(shape_only());
    EXPECT_NE(&MemoryPool::instance(), &own);
    EXPECT_EQ(before.to_host<double>(), (std::vector<double>{1, 2, 3}));
    dropped_inside.reset();
  }
  EXPECT_FALSE(shape_only());
  EXPECT_EQ(&MemoryPool::instance(), &own);
  EXPECT_EQ(own.total().current, current);
}

TEST(ShapeOnly, IntegersStayAndOtherTensorsAreZeroForTheHost) {
  const ShapeOnly scope;
  const Tensor indices = Tensor::from_host(std::vector<std::int32_t>{1, 2, 3, 4}, {4});
  EXPECT_EQ(indices.slice(2, 2).to_host<std::int32_t>(), (std::vector<std::int32_t>{3, 4}));
  indices.slice(0, 1).set_zero();
  EXPECT_EQ(indices.to_host<std::int32_t>(), (std::vector<std::int32_t>{0, 2, 3, 4}));
  const Tensor values = Tensor::from_host(std::vector<double>{1, 2}, {2});
  EXPECT_EQ(values.to_host<double>(), (std::vector<double>{0, 0}));
}

TEST(ShapeOnly, TheLimitNamesTheTensorThatDoesNotFit) {
  const ShapeOnly scope;
  MemoryPool::instance().set_limit(1 << 20);
  const Tensor fits = Tensor::empty({100000}, Dtype::float64);
  const auto more = [] { Tensor::empty({100000}, Dtype::float64, Memory::optimizer, "moments"); };
  EXPECT_THAT(sentence_of<EnvironmentError>(more), HasSubstr("'moments'"));
}

TEST(ShapeOnly, ScopesNest) {
  const ShapeOnly outer;
  const Tensor t = Tensor::empty({8}, Dtype::float64);
  {
    const ShapeOnly inner;
    EXPECT_EQ(MemoryPool::instance().total().current, 0u);
  }
  EXPECT_EQ(MemoryPool::instance().total().current, 64u);
}

TEST(ShapeOnlyDeathTest, ATensorMayNotOutliveItsScope) {
  const auto leak = [] {
    Tensor t;
    const ShapeOnly scope;
    t = Tensor::empty({8}, Dtype::float64);
  };
  EXPECT_DEATH(leak(), "outlive their scope");
}

}  // namespace
}  // namespace longspan::testing
