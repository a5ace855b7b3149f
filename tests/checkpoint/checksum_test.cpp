#include "checkpoint/checksum.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace longspan {
namespace {

std::vector<std::uint8_t> random_bytes(std::size_t count) {
  std::mt19937 random(9);
  std::vector<std::uint8_t> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

TEST(Checksum, PartsAddUpToTheWhole) {
  const auto bytes = random_bytes(8000);
  for (const std::size_t element : {1, 2, 4, 8}) {
    const auto count = static_cast<std::int64_t>(bytes.size() / element);
    const std::uint64_t whole = sum_of_elements(bytes.data(), element, 0, count);
    std::uint64_t sum = 0;
    for (std::int64_t first = 0; first < count; first += 77) {
      const std::uint8_t* part = bytes.data() + static_cast<std::size_t>(first) * element;
      sum += sum_of_elements(part, element, first, std::min<std::int64_t>(77, count - first));
    }
    EXPECT_EQ(sum, whole);
  }
}

TEST(Checksum, EveryBitAndEveryPlaceCounts) {
  const auto bytes = random_bytes(64);
  for (const std::size_t element : {1, 2, 4, 8}) {
    const auto count = static_cast<std::int64_t>(bytes.size() / element);
    const auto sum = [&](const std::vector<std::uint8_t>& of) { return sum_of_elements(of.data(), element, 0, count); };
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      auto other = bytes;
      other[bit / 8] = static_cast<std::uint8_t>(other[bit / 8] ^ (1u << bit % 8));
      EXPECT_NE(sum(other), sum(bytes));
    }
    auto swapped = bytes;
    std::swap_ranges(swapped.begin(), swapped.begin() + static_cast<std::ptrdiff_t>(element),
                     swapped.begin() + static_cast<std::ptrdiff_t>(3 * element));
    EXPECT_NE(sum(swapped), sum(bytes));
    EXPECT_NE(sum_of_elements(bytes.data(), element, 1, count), sum(bytes));
  }
}

TEST(Checksum, ZerosCountToo) {
  const std::vector<float> zeros(10, 0.0f);
  EXPECT_NE(sum_of_elements(zeros.data(), 4, 0, 10), sum_of_elements(zeros.data(), 4, 0, 9));
}

}  // namespace
}  // namespace longspan
