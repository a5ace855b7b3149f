#include "data/unigram.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "small_store.hpp"

namespace longspan {
namespace {

using testing::byte_info;
using testing::ScratchFolder;
using testing::write_small;
using Tokens = std::vector<std::int32_t>;

TEST(UnigramEntropy, EqualsTheClosedForm) {
  EXPECT_EQ(entropy({}), 0);
  EXPECT_EQ(entropy({0, 5, 0}), 0);
  EXPECT_NEAR(entropy(std::vector<std::int64_t>(100, 7)), std::log(100.0), 1e-12);
  EXPECT_NEAR(entropy({1, 3}), -(0.25 * std::log(0.25) + 0.75 * std::log(0.75)), 1e-12);
  const ScratchFolder folder;
  const TokenStore store(write_small(folder));
  EXPECT_NEAR(unigram_entropy(store, 0, 8), entropy({1, 1, 1, 1, 1, 3}), 1e-12);
  EXPECT_NEAR(unigram_entropy(store, 2, 3), entropy({1, 2}), 1e-12);
}

TEST(UnigramEntropy, CountsTokensOfManyBlocks) {
  const ScratchFolder folder;
  TokenStoreWriter writer(folder.path("a.h5"), byte_info());
  writer.append(Tokens(1'100'000, 1));
  writer.append(Tokens(899'999, 2));
  writer.end_document();
  writer.finish();
  const TokenStore store(folder.path("a.h5"));
  EXPECT_NEAR(unigram_entropy(store, 0, 2'000'000), entropy({1'100'000, 899'999, 1}), 1e-12);
}

}  // namespace
}  // namespace longspan
