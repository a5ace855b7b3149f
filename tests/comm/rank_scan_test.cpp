// The scan of affine maps of 2x2 integer matrices, X' = D X + E: they do not commute, and float64 holds the results
// exactly. Every method, both directions, with counted messages.
#include "comm/rank_scan.hpp"

#include <array>

#include "comm/transport.hpp"

namespace longspan {
namespace {

using Matrix = std::array<double, 4>;

class RankScanOf : public Transport {};
INSTANTIATE_TEST_SUITE_P(Every, RankScanOf, every_way(), way_name);

Matrix product(const Matrix& a, const Matrix& b) {
  return {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3]};
}
Matrix sum(const Matrix& a, const Matrix& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]}; }

// A rank's map (D, E); rank 2 has no tokens.
Matrix decay_of(int rank) { return rank == 2 ? Matrix{1, 0, 0, 1} : Matrix{1.0 + rank % 2, rank + 2.0, 1, 1}; }
Matrix inflow_of(int rank) { return rank == 2 ? Matrix{} : Matrix{rank + 1.0, -1, 2.0 * rank, 3}; }
constexpr Matrix kStart = {1, 2, 3, 4};

Tensor to_tensor(const std::vector<Matrix>& parts) {
  std::vector<double> values;
  for (const Matrix& m : parts) values.insert(values.end(), m.begin(), m.end());
  return Tensor::from_host(values, {static_cast<std::int64_t>(parts.size()), 4});
}
Matrix part(const Tensor& t, int i) {
  const std::vector<double> values = t.to_host<double>();
  Matrix m;
  std::copy_n(values.begin() + 4 * i, 4, m.begin());
  return m;
}

ScanOperator affine() {
  return {.apply =
              [](const Tensor& map, const Tensor& state) {
                state.copy_from_host(sum(product(part(map, 0), part(state, 0)), part(map, 1)).data());
              },
          .compose =
              [](const Tensor& earlier, const Tensor& later) {
                const Matrix d = product(part(later, 0), part(earlier, 0));
                const Matrix e = sum(product(part(later, 0), part(earlier, 1)), part(later, 1));
                later.copy_from_host(to_tensor({d, e}).to_host<double>().data());
              }};
}

TEST_P(RankScanOf, AffineMapsInBothDirections) {
  const int g = world().size(), me = world().rank();
  for (const ScanMethod method : kScanMethods) {
    for (const bool reversed : {false, true}) {
      const Tensor map = to_tensor({decay_of(me), inflow_of(me)}), state = to_tensor({kStart});
      RankScan scan(world(), affine(), map, state, reversed, method);
      scan.finish();
      Matrix expected = kStart;
      const auto apply = [&](int r) { expected = sum(product(decay_of(r), expected), inflow_of(r)); };
      if (reversed) {
        for (int r = g - 1; r > me; --r) apply(r);
      } else {
        for (int r = 0; r < me; ++r) apply(r);
      }
      EXPECT_EQ(part(state, 0), expected) << to_string(method) << reversed;
      EXPECT_EQ(part(map, 0), decay_of(me)) << "the own map is left alone";
    }
  }
}

TEST(RankScan, SendsTheClosedForm) {
  const int g = world().size(), me = world().rank();
  for (const ScanMethod method : kScanMethods) {
    for (const bool reversed : {false, true}) {
      CommCounters::instance().reset();
      const Tensor map = to_tensor({decay_of(me), inflow_of(me)}), state = to_tensor({kStart});
      RankScan(world(), affine(), map, state, reversed, method).finish();
      const ScanVolume volume = scan_volume(method, g, reversed ? g - 1 - me : me, map.size(), state.size());
      EXPECT_EQ(CommCounters::instance().of_group("world").bytes, 8 * volume.elements) << to_string(method);
    }
  }
}

}  // namespace
}  // namespace longspan
