// The prefix of 2x2 integer matrices under the matrix product, which does not commute: order and grouping must be
// right, and float64 holds the products exactly.
#include <array>

#include "comm/transport.hpp"

namespace longspan {
namespace {

using Matrix = std::array<double, 4>;

class ExclusiveScan : public Transport {};
INSTANTIATE_TEST_SUITE_P(Every, ExclusiveScan, every_way(), way_name);

constexpr Matrix kIdentity = {1, 0, 0, 1};

Matrix product(const Matrix& a, const Matrix& b) {
  return {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3]};
}

// Two independent matrices per rank, so that a state is more than one piece.
Matrix matrix_of(int rank, int k) { return {1.0 + k, rank + 2.0, 1, static_cast<double>(rank % 3)}; }

Tensor state_of(const std::array<Matrix, 2>& m) {
  std::vector<double> values(m[0].begin(), m[0].end());
  values.insert(values.end(), m[1].begin(), m[1].end());
  return Tensor::from_host(values, {2, 2, 2});
}

void combine(const Tensor& earlier, const Tensor& later) {
  const std::vector<double> a = earlier.to_host<double>();
  std::vector<double> b = later.to_host<double>();
  for (int k = 0; k < 2; ++k) {
    Matrix x, y;
    std::copy_n(a.begin() + 4 * k, 4, x.begin());
    std::copy_n(b.begin() + 4 * k, 4, y.begin());
    const Matrix xy = product(x, y);
    std::copy(xy.begin(), xy.end(), b.begin() + 4 * k);
  }
  later.copy_from_host(b.data());
}

TEST_P(ExclusiveScan, OfMatrixProductsInBothDirections) {
  const int g = world().size(), me = world().rank();
  for (const bool reversed : {false, true}) {
    const Tensor state = state_of({matrix_of(me, 0), matrix_of(me, 1)});
    world().exclusive_scan(state, state_of({kIdentity, kIdentity}), reversed, combine);
    for (int k = 0; k < 2; ++k) {
      Matrix expected = kIdentity;
      if (reversed) {
        for (int r = g - 1; r > me; --r) expected = product(expected, matrix_of(r, k));
      } else {
        for (int r = 0; r < me; ++r) expected = product(expected, matrix_of(r, k));
      }
      expect_values<double>(
          state.slice(k, 1), [&](std::int64_t i) { return expected[i]; }, reversed ? "reversed" : "forward");
    }
  }
}

}  // namespace
}  // namespace longspan
