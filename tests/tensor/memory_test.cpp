#include "tensor/memory.hpp"

#include <gmock/gmock.h>

#include "support/expect_error.hpp"
#include "tensor/tensor.hpp"

namespace longspan::testing {
namespace {

using ::testing::HasSubstr;

class MemoryPoolTest : public ::testing::Test {
 protected:
  void SetUp() override { pool().release_kept_blocks(); }
  void TearDown() override { pool().set_limit(0); }
  static MemoryPool& pool() { return MemoryPool::instance(); }

  static Tensor make(std::int64_t bytes, Memory category = Memory::workspace, const char* label = "test") {
    return Tensor::empty({bytes / 8}, Dtype::float64, category, label);
  }
};

TEST_F(MemoryPoolTest, CountsLiveBytesByCategory) {
  const std::size_t workspace = pool().use(Memory::workspace).current, total = pool().total().current;
  {
    const Tensor a = make(1024), b = make(2048, Memory::optimizer), view = a.slice(0, 10);
    EXPECT_EQ(pool().use(Memory::workspace).current - workspace, 1024u);
    EXPECT_EQ(pool().use(Memory::optimizer).current, 2048u);
    EXPECT_EQ(pool().total().current - total, 3072u);
  }
  EXPECT_EQ(pool().use(Memory::workspace).current, workspace);
  EXPECT_EQ(pool().use(Memory::optimizer).current, 0u);
  EXPECT_EQ(pool().total().current, total);
}

TEST_F(MemoryPoolTest, PeakStaysUntilItIsReset) {
  pool().reset_peak();
  const std::size_t before = pool().total().current;
  {
    const Tensor a = make(4096), b = make(4096);
  }
  {
    const Tensor c = make(4096);
  }
  EXPECT_EQ(pool().total().peak - before, 8192u);
  EXPECT_EQ(pool().use(Memory::workspace).peak, pool().use(Memory::workspace).current + 8192u);
  pool().reset_peak();
  EXPECT_EQ(pool().total().peak, before);
}

TEST_F(MemoryPoolTest, FreedBlocksServeLaterTensorsOfTheirSize) {
  const void* first = make(4096).raw();
  const std::size_t calls = pool().system_allocations(), reserved = pool().reserved();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(make(4096).raw(), first);
  EXPECT_EQ(make(4000).raw(), first);  // of the same size class
  EXPECT_EQ(pool().system_allocations(), calls);
  EXPECT_EQ(pool().reserved(), reserved);
  make(8192);
  EXPECT_EQ(pool().system_allocations(), calls + 1);
}

TEST_F(MemoryPoolTest, KeptBlocksGoBackOnRequest) {
  const std::size_t reserved = pool().reserved();
  make(1 << 20);
  EXPECT_EQ(pool().reserved(), reserved + (1 << 20));
  pool().release_kept_blocks();
  EXPECT_EQ(pool().reserved(), reserved);
}

TEST_F(MemoryPoolTest, RoundingLosesAtMostAnEighth) {
  for (std::int64_t bytes = 512; bytes < 20000; bytes += 8) {
    const std::size_t before = pool().total().current;
    const Tensor t = make(bytes);
    const auto held = static_cast<std::int64_t>(pool().total().current - before);
    ASSERT_GE(held, bytes);
    ASSERT_LE(8 * held, 9 * bytes) << bytes;
  }
}

TEST_F(MemoryPoolTest, LimitNamesTheTensorThatDoesNotFit) {
  pool().set_limit(pool().total().current + 10000);
  const Tensor fits = make(8192);
  const std::string text = sentence_of<EnvironmentError>([] { make(4096, Memory::optimizer, "second moments"); });
  EXPECT_THAT(text, HasSubstr("tensor 'second moments' (4.00 KiB, optimizer) does not fit"));
  EXPECT_THAT(text, HasSubstr("run.memory_limit"));
}

TEST_F(MemoryPoolTest, LimitCountsLiveTensorsAndGivesKeptBlocksUp) {
  make(1 << 16);  // kept
  pool().set_limit(pool().total().current + (1 << 16));
  const Tensor other = make(40960);  // does not fit beside the kept block
  EXPECT_LE(pool().reserved(), pool().limit());
}

TEST_F(MemoryPoolTest, PoisonedBlocksShowReadsBeforeWrites) { EXPECT_TRUE(std::isnan(make(512).to_host<double>()[3])); }

TEST(FormatBytes, PicksAUnit) {
  EXPECT_EQ(format_bytes(96), "96 B");
  EXPECT_EQ(format_bytes(1.5 * 1024 * 1024 * 1024), "1.50 GiB");
  EXPECT_EQ(format_bytes(312.0 * 1024 * 1024), "312.0 MiB");
}

TEST_F(MemoryPoolTest, WhatIsSpareGivesWayToATensorThatWouldNotFit) {
  Tensor spare = make(4096);
  int calls = 0;
  pool().set_spare([&] {
    ++calls;
    spare = Tensor();
  });
  pool().set_limit(pool().total().current + 8192);
  const Tensor beside = make(8192);
  EXPECT_EQ(calls, 0);
  const Tensor instead = make(4096);
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(spare.defined());
  EXPECT_THROW(make(8), EnvironmentError);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace longspan::testing
