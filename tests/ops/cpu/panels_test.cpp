// Every way that the sides of a product come to lie in panels, against sums in double. Small whole numbers: all exact.
// Built as the processor is, and as for one with AVX2 alone, where blocks and steps are others.
#include "ops/cpu/panels.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "ops/cpu/narrow.hpp"

namespace longspan::ops::detail {
namespace {

constexpr float kUntouched = 12345;

template <class T>
class Panels : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __x86_64__
    if (kHasVectors && !__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this processor has no AVX2";
#endif
  }
};
using Types = testing::Types<float, bfloat16>;
TYPED_TEST_SUITE(Panels, Types);

double number(std::int64_t i) { return static_cast<double>(i * 7919 % 9 - 4); }

// [rows, cols], rows `leading` apart; number(i) at row-major position i + shift, or of its transpose.
template <class T>
std::vector<T> matrix(int rows, int cols, int leading, int shift, bool transposed) {
  std::vector<T> values(static_cast<std::size_t>(rows * leading), T(9.0f));
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) {
      values[static_cast<std::size_t>(r * leading + c)] =
          T(static_cast<float>(number(shift + (transposed ? c * rows + r : r * cols + c))));
    }
  }
  return values;
}

struct Size {
  int rows, numbers, cols;
};

std::vector<Size> sizes() {
  std::vector<Size> all;
  for (const int rows : {1, 2, 3, 4, 5, 6, 7, 17}) {
    for (const int numbers : {1, 2, 7, 16, 37}) {
      for (const int cols : {1, kLanes, kLanes + 1, kPanel - 1, kPanel}) all.push_back({rows, numbers, cols});
    }
  }
  return all;
}

template <class Step>
void expect_product(const StepRows<Step>& a, const std::vector<Step>& b, int steps, const Size& size, const char* way) {
  const int c_row = kPanel + 3;
  for (const bool add : {false, true}) {
    std::vector<float> c(static_cast<std::size_t>(size.rows * c_row), kUntouched);
    for (int r = 0; r < size.rows; ++r) std::fill_n(c.begin() + r * c_row, size.cols, 5.0f);
    multiply_panel(a, size.rows, b.data(), kPanel, steps, c.data(), c_row, size.cols, add);
    for (int r = 0; r < size.rows; ++r) {
      for (int j = 0; j < c_row; ++j) {
        double expected = j < size.cols ? 5.0 * add : kUntouched;
        for (int k = 0; j < size.cols && k < size.numbers; ++k) {
          expected += number(r * size.numbers + k) * number(3 + k * size.cols + j);
        }
        ASSERT_EQ(c[static_cast<std::size_t>(r * c_row + j)], expected)
            << way << ", rows " << size.rows << ", numbers " << size.numbers << ", cols " << size.cols << ", add "
            << add << ", at " << r << ", " << j;
      }
    }
  }
}

TYPED_TEST(Panels, ProductsOfAllLayouts) {
  using T = TypeParam;
  using Step = StepOf<T>;
  for (const Size& size : sizes()) {
    const auto [rows, numbers, cols] = size;
    const auto steps = static_cast<int>(steps_of<Step>(numbers));
    const auto a = matrix<T>(rows, numbers, numbers + 2, 0, false), a_t = matrix<T>(numbers, rows, rows + 1, 0, true),
               b = matrix<T>(numbers, cols, cols + 3, 3, false), b_t = matrix<T>(cols, numbers, numbers + 1, 3, true);
    std::vector<Step> right(static_cast<std::size_t>(steps * kPanel)), right_t = right;
    pack_rows(b.data(), cols + 3, numbers, cols, right.data(), kPanel);
    pack_columns(b_t.data(), numbers + 1, numbers, cols, right_t.data(), kPanel);
    EXPECT_EQ(right, right_t);
    std::vector<Step> room(static_cast<std::size_t>(words_of_bands(rows, steps)));
    expect_product(as_steps(a.data(), numbers + 2, numbers, rows, room.data()), right, steps, size, "as they lie");
    expect_product(rows_in_bands(a.data(), numbers + 2, numbers, rows, room.data()), right, steps, size, "rows");
    expect_product(columns_in_bands(a_t.data(), rows + 1, numbers, rows, room.data()), right, steps, size, "columns");
    if constexpr (std::is_same_v<T, Step>) {
      expect_product(StepRows<Step>(a_t.data(), 1, rows + 1), right, steps, size, "columns as they lie");
    }
  }
}

TEST(Narrow, RoundsAsBfloat16Does) {
  std::vector<float> from;
  for (int i = 0; i < 3 * kLanes + 1; ++i) from.push_back(static_cast<float>(i) * 0.37f - 3.0f);
  std::vector<bfloat16> to(from.size());
  narrow(from.data(), static_cast<int>(from.size()), to.data());
  for (std::size_t i = 0; i < from.size(); ++i) EXPECT_EQ(to[i].bits, bfloat16(from[i]).bits) << from[i];
}

}  // namespace
}  // namespace longspan::ops::detail
