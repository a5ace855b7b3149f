#include "train/sampler.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/random.hpp"

namespace longspan {
namespace {

// Probabilities 0.1, 0.4, 0.2, 0.3 at temperature 1.
const std::vector<double> kLogits = {std::log(0.1), std::log(0.4), std::log(0.2), std::log(0.3)};

GenerateConfig config(double temperature, std::int64_t top_k = 0, double top_p = 1) {
  GenerateConfig c;
  c.temperature = temperature;
  c.top_k = top_k;
  c.top_p = top_p;
  return c;
}

std::vector<double> frequencies(const GenerateConfig& c) {
  constexpr int kDraws = 20000;
  std::vector<double> counts(kLogits.size(), 0);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    counts[static_cast<std::size_t>(sample_token(kLogits, c, uniform_double(1, i)))] += 1.0 / kDraws;
  }
  return counts;
}

void expect_frequencies(const GenerateConfig& c, const std::vector<double>& probabilities) {
  const std::vector<double> found = frequencies(c);
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (probabilities[i] == 0) {
      EXPECT_EQ(found[i], 0) << i;
    } else {
      EXPECT_NEAR(found[i], probabilities[i], 0.02) << i;
    }
  }
}

TEST(Sampler, TemperatureZeroTakesTheLikeliest) {
  for (const double u : {0.0, 0.5, 0.999}) EXPECT_EQ(sample_token(kLogits, config(0), u), 1);
}

TEST(Sampler, TiesGoToTheFirstToken) { EXPECT_EQ(sample_token({2, 7, 7}, config(0), 0.9), 1); }

TEST(Sampler, TemperatureOneDrawsTheModelsProbabilities) { expect_frequencies(config(1), {0.1, 0.4, 0.2, 0.3}); }

TEST(Sampler, TemperatureOneHalfSquaresThem) {
  expect_frequencies(config(0.5), {0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3});
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  expect_frequencies(config(1, 2), {0, 4.0 / 7, 0, 3.0 / 7});
  expect_frequencies(config(1, 9), {0.1, 0.4, 0.2, 0.3});
}

// The fewest tokens that hold the share p: 0.4 + 0.3 < 0.75 <= 0.4 + 0.3 + 0.2.
TEST(Sampler, TopPKeepsTheFewestThatHoldTheShare) {
  expect_frequencies(config(1, 0, 0.75), {0, 4.0 / 9, 2.0 / 9, 3.0 / 9});
  expect_frequencies(config(1, 0, 0.39), {0, 1, 0, 0});
  expect_frequencies(config(1, 0, 1e-9), {0, 1, 0, 0});
}

TEST(Sampler, SurvivesLogitsOfAnySize) {
  EXPECT_EQ(sample_token({-1e300, 1e300, 0}, config(1), 0.7), 1);
  EXPECT_EQ(sample_token({-900, -901}, config(1), 0.1), 0);
}

TEST(Sampler, SameNumberGivesTheSameToken) {
  for (std::uint64_t i = 0; i < 100; ++i) {
    const double u = uniform_double(2, i);
    EXPECT_EQ(sample_token(kLogits, config(0.8, 3, 0.9), u), sample_token(kLogits, config(0.8, 3, 0.9), u));
  }
}

}  // namespace
}  // namespace longspan
