#include "layout/scan_method.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace longspan {
namespace {

TEST(ScanMethod, AHopSendsTheStateAGatherEveryMap) {
  EXPECT_EQ(scan_volume(ScanMethod::ring, 5, 3, 7, 3).elements, 3);
  EXPECT_EQ(scan_volume(ScanMethod::ring, 5, 4, 7, 3).elements, 0);
  EXPECT_EQ(scan_volume(ScanMethod::ring, 5, 0, 7, 3).rounds, 4);
  EXPECT_EQ(scan_volume(ScanMethod::gather, 5, 2, 7, 3).elements, 4 * 7);
  EXPECT_EQ(scan_volume(ScanMethod::gather, 5, 2, 7, 3).rounds, 1);
}

// Round by round: a window of distance d goes d places up, where there is one.
TEST(ScanMethod, RoundsEqualTheSumOverTheirDistances) {
  for (int size = 1; size <= 33; ++size) {
    int rounds = 0;
    for (int d = 1; d < size; d *= 2) ++rounds;
    for (int place = 0; place < size; ++place) {
      std::int64_t sent = 0;
      for (int d = 1; d < size; d *= 2) sent += place + d < size ? 7 : 0;
      EXPECT_EQ(scan_volume(ScanMethod::rounds, size, place, 7, 3).elements, sent);
      EXPECT_EQ(scan_volume(ScanMethod::rounds, size, place, 7, 3).rounds, rounds);
    }
  }
}

TEST(ScanMethod, OneRankSendsNothing) {
  for (const ScanMethod method : kScanMethods) {
    EXPECT_EQ(scan_volume(method, 1, 0, 7, 3).elements, 0);
    EXPECT_EQ(scan_volume(method, 1, 0, 7, 3).rounds, 0);
  }
}

TEST(ScanMethod, SmallMapsAreGatheredLargeOnesComposedAndDenseOnesPassedOn) {
  EXPECT_EQ(choose_scan(2, 1000, 900), ScanMethod::ring);
  EXPECT_EQ(choose_scan(8, 1000, 900), ScanMethod::gather);
  EXPECT_EQ(choose_scan(64, 1 << 22, (1 << 22) - 100), ScanMethod::rounds);
  EXPECT_EQ(choose_scan(3, 1 << 23, 1 << 20), ScanMethod::ring);
}

}  // namespace
}  // namespace longspan
