#include "models/decoder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "models/decoder_case.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {
namespace {

const std::vector<std::int32_t> kTokens = {3, 1, 4, 1, 5, 9}, kTargets = {1, 4, 1, 5, 9, -1};

// Every parameter along one random direction u: the derivative of the loss there is the dot product of u and the
// gradient.
TEST(Decoder, GradientOfEveryParameterMatchesCentralDifferences) {
  for (const ModelConfig& model : model_variants()) {
    const OneRankDecoder d(model);
    d.loss(kTokens, kTargets, true);
    for (const auto& p : d.store().all()) {
      const Values values = to_values(p->value()), direction = random_values(p->info().shape.size(), 5);
      const auto loss = [&](const Values& step) {
        Values moved = values;
        for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += step[0] * direction[i];
        p->value().copy_from_host(moved.data());
        return d.loss(kTokens, kTargets);
      };
      const double numeric = numeric_gradient(loss, {0})[0];
      p->value().copy_from_host(values.data());
      EXPECT_NEAR(dot(to_values(p->gradient()), direction), numeric, 1e-6 * std::max(1.0, std::abs(numeric)))
          << p->info().name << " " << model.positions;
    }
  }
}

TEST(Decoder, WhatIsRecomputedGivesTheSameBits) {
  for (ModelConfig model : model_variants()) {
    model.dropout = 0.2;
    const OneRankDecoder kept(model);
    const double loss = kept.loss(kTokens, kTargets, true, 31);
    for (const Recompute& recompute : {Recompute{.every = 1}, Recompute{.every = 2}, Recompute{.remake = Remake::cheap},
                                       Recompute{.remake = Remake::linear}}) {
      const OneRankDecoder again(model, recompute);
      EXPECT_EQ(again.loss(kTokens, kTargets, true, 31), loss);
      EXPECT_EQ(to_values(again.store().gradients()), to_values(kept.store().gradients()));
    }
  }
}

TEST(Decoder, DropoutChangesTheLossByItsKeyAlone) {
  ModelConfig model = small_model();
  model.dropout = 0.2;
  const OneRankDecoder d(model);
  EXPECT_EQ(d.loss(kTokens, kTargets, false, 31), d.loss(kTokens, kTargets, false, 31));
  EXPECT_NE(d.loss(kTokens, kTargets, false, 31), d.loss(kTokens, kTargets, false, 33));
}

// No later token changes what a position predicts.
TEST(Decoder, IsCausal) {
  for (const ModelConfig& model : model_variants()) {
    const OneRankDecoder d(model);
    EXPECT_EQ(d.loss({3, 1, 4, 1}, {1, 4, -1, -1}), d.loss({3, 1, 7, 8}, {1, 4, -1, -1}));
  }
}

// Chunks 0, 1, ... of a layer each on the stages given.
TEST(Decoder, StagesTogetherDeclareTheParametersOfOne) {
  const auto names = [](const std::vector<int>& stage_of) {
    std::set<std::string> all;
    ModelConfig model = small_model();
    model.layers = 4;
    const auto chunks = static_cast<int>(stage_of.size());
    const int stages = *std::max_element(stage_of.begin(), stage_of.end()) + 1;
    for (int stage = 0; stage < stages; ++stage) {
      ParameterStore store({.pipeline = stages}, {.pipeline = stage});
      const Decoder d({.model = model, .vocabulary = 13, .max_length = 9},
                      {stage_of, split_by_cost(std::vector<double>(4, 1.0), 0, 1, chunks)}, store);
      for (const auto& p : store.all()) {
        const bool both_ends = stage_of.front() == stage_of.back();
        EXPECT_FALSE(both_ends && (p->info().tied || p->info().tied_copy));
        if (!p->info().tied_copy) {
          EXPECT_TRUE(all.insert(p->info().name).second) << p->info().name;
        }
      }
    }
    return all;
  };
  const auto whole = names({0});
  EXPECT_EQ(names({0, 1}), whole);
  EXPECT_EQ(names({0, 1, 2}), whole);
  EXPECT_EQ(names({0, 1, 0, 1}), whole);
  EXPECT_EQ(names({0, 1, 1, 0}), whole);
}

// 6 a token for every entry of a matrix (2 forward, 4 backward), and per layer 3 * 4 D for every visible pair.
TEST(Decoder, TrainingFlopsAreThoseOfTheMatricesAndOfAttention) {
  for (const std::int64_t T : {1, 100}) {
    for (const ModelConfig& model : model_variants()) {
      const OneRankDecoder d(model);
      double matrices = 0;
      for (const auto& p : d.store().all()) {
        const bool lookup = p->info().name == "embedding.weight" && !model.tied_embeddings;
        if (p->info().decay && !lookup) matrices += static_cast<double>(p->info().shape.size());
      }
      const auto t = static_cast<double>(T);
      const double pairs =
          model.window > 0 && model.window < T ? t * static_cast<double>(model.window) : t * (t + 1) / 2;
      const double attention = static_cast<double>(3 * model.layers * 4 * model.width) * pairs;
      EXPECT_DOUBLE_EQ(d.decoder().training_flops(T), 6 * matrices * t + attention) << model.positions;
    }
  }
}

}  // namespace
}  // namespace longspan::testing
