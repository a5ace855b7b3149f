#include "ops/dropout.hpp"

#include "reference/dropout.hpp"
#include "support/compare.hpp"

namespace longspan::testing {
namespace {

using Rows = std::vector<std::int64_t>;

constexpr std::uint64_t kKey = 0x123456789abcdefull;

Values run(const Values& x, double rate, const Rows& rows, std::int64_t cols, std::int64_t global_cols,
           std::int64_t first_col, Dtype dtype) {
  const auto N = static_cast<std::int64_t>(rows.size());
  const Tensor in = to_tensor(x, {N, cols}, dtype);
  ops::dropout(in, rate, kKey, Tensor::from_host(rows, {N}), global_cols, first_col, in);
  return to_values(in);
}

TEST(Dropout, MatchesReferenceOnAnyBlockOfColumns) {
  const Rows rows = {0, 1, 2, 77, 5000000000, 13};
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t cols : {1, 2, 3, 5, 31, 33, 256}) {
      for (const std::int64_t first : {0, 1, 2, 3, 10}) {
        SCOPED_TRACE(std::format("{} cols {} first {}", to_string(dtype), cols, first));
        const Values x = random_values(static_cast<std::int64_t>(rows.size()) * cols, 1, dtype);
        const Values expected = reference::dropout(x, 0.3, kKey, rows, cols, 301, first);
        EXPECT_LE(distance(run(x, 0.3, rows, cols, 301, first, dtype), expected), tolerance(dtype));
      }
    }
  }
}

TEST(Dropout, KeepsTheExpectedShare) {
  const Rows rows = {0, 1, 2, 3};
  for (const double rate : {0.0, 0.1, 0.5, 0.9}) {
    double kept = 0;
    for (const double y : run(Values(40000, 1.0), rate, rows, 10000, 10000, 0, Dtype::float64)) kept += y != 0;
    EXPECT_NEAR(kept / 40000, 1 - rate, 4 * std::sqrt(rate * (1 - rate) / 40000));  // four standard deviations
  }
}

TEST(Dropout, EmptyIsAllowedAndWrongArgumentsThrow) {
  const Tensor x = Tensor::zeros({2, 4}, Dtype::float32), rows = Tensor::zeros({2}, Dtype::int64),
               none = Tensor::empty({0, 4}, Dtype::float32);
  ops::dropout(none, 0.5, 1, Tensor::empty({0}, Dtype::int64), 4, 0, none);
  EXPECT_THROW(ops::dropout(x, 0.5, 1, rows, 4, 0, none), std::logic_error);
  EXPECT_THROW(ops::dropout(x, 1.0, 1, rows, 4, 0, x), std::logic_error);
  EXPECT_THROW(ops::dropout(x, -0.1, 1, rows, 4, 0, x), std::logic_error);
  EXPECT_THROW(ops::dropout(x, 0.5, 1, rows, 4, 1, x), std::logic_error);
  EXPECT_THROW(ops::dropout(x, 0.5, 1, Tensor::zeros({3}, Dtype::int64), 4, 0, x), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
