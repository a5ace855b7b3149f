#include "layout/mask.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

namespace longspan {
namespace {

// The mask as a predicate, told without intervals.
bool sees(const MaskRule& rule, const std::vector<std::int64_t>& starts, std::int64_t query, std::int64_t key) {
  const auto document = [&](std::int64_t position) {
    return std::count_if(starts.begin(), starts.end(), [&](std::int64_t start) { return start <= position; });
  };
  if (document(query) != document(key)) return false;
  if (rule.causal && key > query) return false;
  return rule.window == 0 || std::abs(query - key) < rule.window;
}

TEST(Mask, IntervalsEqualThePredicate) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 400; ++trial) {
    const std::int64_t length = 1 + random() % 40;
    std::vector<std::int64_t> starts(random() % 6);  // none, empty documents, a first one that does not start at 0
    for (std::int64_t& start : starts) start = random() % (length + 1);
    std::sort(starts.begin(), starts.end());
    const MaskRule rule{random() % 2 == 0, static_cast<std::int64_t>(random() % 8)};
    std::vector<std::int64_t> positions;
    for (std::int64_t p = random() % 3; p < length; p += 1 + random() % 3) positions.push_back(p);

    const VisibleKeys rows = visible_keys(rule, positions, starts, length);
    ASSERT_EQ(rows.begin.size(), positions.size());
    ASSERT_EQ(rows.end.size(), positions.size());
    for (std::size_t row = 0; row < positions.size(); ++row) {
      ASSERT_LT(rows.begin[row], rows.end[row]);
      for (std::int64_t key = 0; key < length; ++key) {
        ASSERT_EQ(rows.begin[row] <= key && key < rows.end[row], sees(rule, starts, positions[row], key))
            << "query " << positions[row] << ", key " << key << ", causal " << rule.causal << ", window "
            << rule.window;
      }
    }
  }
}

TEST(Mask, KnownIntervals) {
  const Range document{10, 20};
  EXPECT_EQ(visible({.causal = true, .window = 0}, 15, document), (Range{10, 16}));
  EXPECT_EQ(visible({.causal = false, .window = 0}, 15, document), (Range{10, 20}));
  EXPECT_EQ(visible({.causal = true, .window = 3}, 15, document), (Range{13, 16}));
  EXPECT_EQ(visible({.causal = false, .window = 3}, 15, document), (Range{13, 18}));
  EXPECT_EQ(visible({.causal = true, .window = 1}, 15, document), (Range{15, 16}));
}

TEST(Mask, DocumentsMayBeEmptyOrUnnamed) {
  const std::vector<std::int64_t> starts{3, 5, 5, 8};
  EXPECT_EQ(document_of(starts, 10, 0), (Range{0, 3}));
  EXPECT_EQ(document_of(starts, 10, 3), (Range{3, 5}));
  EXPECT_EQ(document_of(starts, 10, 5), (Range{5, 8}));
  EXPECT_EQ(document_of(starts, 10, 9), (Range{8, 10}));
  EXPECT_EQ(document_of({}, 10, 9), (Range{0, 10}));
}

TEST(Mask, RefusesPositionsOutsideTheSequence) {
  EXPECT_ANY_THROW(visible_keys({}, {4}, {}, 4));
  EXPECT_ANY_THROW(visible_keys({}, {-1}, {}, 4));
  EXPECT_ANY_THROW(visible_keys({}, {0}, {}, std::int64_t{1} << 31));
}

}  // namespace
}  // namespace longspan
