// Messages above 2^31 bytes, which no int holds.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "comm/transport.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kNeededGiB = 12;

// 0 where the system does not say.
std::int64_t available_gib() {
  std::ifstream info("/proc/meminfo");
  std::string word;
  while (info >> word) {
    std::int64_t kib = 0;
    if (word == "MemAvailable:" && info >> kib) return kib >> 20;
  }
  return 0;
}

void set_number(const Tensor& t, std::int64_t at, float value) { t.slice(at, 1).copy_from_host(&value); }
float number_at(const Tensor& t, std::int64_t at) { return t.slice(at, 1).to_host<float>()[0]; }

TEST(LargeMessages, AboveTwoGiBArriveWhole) {
  if (world().size() != 2) GTEST_SKIP() << "made for 2 ranks";
  const std::int64_t available = world().all_reduce_value(available_gib(), Reduce::min);
  if (available < kNeededGiB) {
    GTEST_SKIP() << "needs " << kNeededGiB << " GiB of free memory, this machine has " << available;
  }
  // Rank 0 owns all but the last 1000 elements: a block above 2^31 bytes goes to rank 1, and a short one back.
  const std::int64_t own = (std::int64_t{1} << 29) + 12345, rest = 1000;
  const std::int64_t piece = message_limit() / 4;
  MemoryPool::instance().set_poison(false);
  {
    const Tensor all = Tensor::empty({own + rest}, Dtype::float32, Memory::communication, "large message");
    const std::vector<std::int64_t> rows = {own, rest};
    const Tensor mine = world().rank() == 0 ? all.slice(0, own) : all.slice(own, rest);
    const std::vector<std::int64_t> marks = {0,         piece - 1, piece, 2 * piece - 1,
                                             2 * piece, own - 1,   own,   own + rest - 1};
    for (std::size_t k = 0; k < marks.size(); ++k) {
      const bool is_mine = (marks[k] < own) == (world().rank() == 0);
      if (is_mine) set_number(all, marks[k], static_cast<float>(k + 1));
    }
    world().all_gather(mine, all, rows);
    for (std::size_t k = 0; k < marks.size(); ++k) EXPECT_EQ(number_at(all, marks[k]), static_cast<float>(k + 1));
    // One element more than a piece.
    world().all_reduce(all.slice(piece - 1, piece + 1));
    for (std::size_t k = 0; k < marks.size(); ++k) {
      const bool summed = marks[k] >= piece - 1 && marks[k] < 2 * piece;
      EXPECT_EQ(number_at(all, marks[k]), static_cast<float>(k + 1) * (summed ? 2.0f : 1.0f));
    }
  }
  MemoryPool::instance().release_kept_blocks();
  MemoryPool::instance().set_poison(true);
}

}  // namespace
}  // namespace longspan
