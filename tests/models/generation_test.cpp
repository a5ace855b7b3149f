// Generation with a cache against the passes that know nothing of it.
#include <gtest/gtest.h>

#include "models/decoder_case.hpp"

namespace longspan::testing {
namespace {

const std::vector<std::int32_t> kTokens = {3, 1, 4, 1, 5, 9, 2, 6, 12};

std::vector<std::int32_t> part(std::size_t first, std::size_t count) {
  return {kTokens.begin() + first, kTokens.begin() + first + count};
}

// Logits after each piece; `pieces` are token counts.
std::vector<Values> logits_after(const OneRankDecoder& d, const std::vector<std::size_t>& pieces) {
  DecoderCache cache = d.decoder().make_cache(1, OneRankDecoder::kLength);
  std::vector<Values> all;
  std::size_t first = 0;
  for (const std::size_t n : pieces) {
    all.push_back(d.next_logits(part(first, n), 1, cache));
    first += n;
  }
  return all;
}

TEST(Generation, TokenByTokenEqualsTheWholePrefixAtOnce) {
  for (const ModelConfig& model : model_variants()) {
    const OneRankDecoder d(model);
    const std::vector<Values> single = logits_after(d, std::vector<std::size_t>(kTokens.size(), 1));
    for (std::size_t n = 1; n <= kTokens.size(); ++n) {
      EXPECT_LT(distance(single[n - 1], logits_after(d, {n})[0]), 1e-12) << model.positions << " prefix of " << n;
    }
  }
}

TEST(Generation, UnevenPiecesEqualTheWholePrefixAtOnce) {
  for (const ModelConfig& model : model_variants()) {
    const OneRankDecoder d(model);
    const Values whole = logits_after(d, {kTokens.size()})[0];
    EXPECT_LT(distance(logits_after(d, {4, 1, 3, 1}).back(), whole), 1e-12) << model.positions;
    EXPECT_LT(distance(logits_after(d, {1, 8}).back(), whole), 1e-12) << model.positions;
  }
}

// The training pass shares no attention code with the cache: its loss of one target is log sum exp(z) - z[target].
TEST(Generation, LogitsAreThoseOfTheTrainingPass) {
  for (const ModelConfig& model : model_variants()) {
    const OneRankDecoder d(model);
    const std::vector<Values> single = logits_after(d, std::vector<std::size_t>(kTokens.size(), 1));
    for (std::size_t position = 0; position < kTokens.size(); ++position) {
      double sum = 0;
      for (const double z : single[position]) sum += std::exp(z);
      for (std::int32_t v = 0; v < OneRankDecoder::kVocabulary; ++v) {
        std::vector<std::int32_t> targets(kTokens.size(), -1);
        targets[position] = v;
        EXPECT_NEAR(d.loss(kTokens, targets), std::log(sum) - single[position][static_cast<std::size_t>(v)], 1e-12)
            << model.positions << " position " << position;
      }
    }
  }
}

TEST(Generation, SequencesOfABatchDoNotMix) {
  const OneRankDecoder d(small_model());
  DecoderCache both = d.decoder().make_cache(2, 3), first = d.decoder().make_cache(1, 3),
               second = d.decoder().make_cache(1, 3);
  const Values together = d.next_logits({1, 2, 3, 7, 8, 9}, 2, both);
  Values apart = d.next_logits({1, 2, 3}, 1, first);
  const Values rest = d.next_logits({7, 8, 9}, 1, second);
  apart.insert(apart.end(), rest.begin(), rest.end());
  EXPECT_LT(distance(together, apart), 1e-13);
}

}  // namespace
}  // namespace longspan::testing
