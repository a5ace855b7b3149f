#include "optim/optimizer.hpp"

#include <gtest/gtest.h>

#include "layout/split.hpp"
#include "reference/adamw.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

constexpr std::int64_t kLayers = 4;

void declare(ParameterStore& store) {
  const MeshShape& mesh = store.mesh();
  const MeshCoordinate& at = store.at();
  const auto table = [&](bool copy) {
    store.declare({.name = "table",
                   .shape = {7, 5},
                   .shard = {0, 1},
                   .init = Initializer::normal(1),
                   .decay = true,
                   .tied_copy = copy,
                   .tied = mesh.pipeline > 1});
  };
  if (at.pipeline == 0) table(false);
  const Range layers = split(kLayers, mesh.pipeline, at.pipeline);
  for (std::int64_t i = layers.begin; i < layers.end; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    store.declare(
        {.name = name + ".columns", .shape = {5, 6}, .shard = {1, 1}, .init = Initializer::normal(1), .decay = true});
    store.declare({.name = name + ".norm", .shape = {5}, .init = Initializer::constant(0.5 + static_cast<double>(i))});
    store.declare({.name = name + ".positions",
                   .shape = {3, 7},
                   .shard = ParameterShard::by_position(1, ShardKind::zigzag),
                   .init = Initializer::normal(1)});
  }
  if (at.pipeline + 1 == mesh.pipeline && mesh.pipeline > 1) table(true);
}

// Gradients that equal the values: the same on any mesh.
void copy_values_to_gradients(const ParameterStore& store) {
  store.gradients().copy_from_host(store.values().to_host<double>().data());
}

TEST(GradientNorm, IsTheSameOnEveryMeshOfTheRanks) {
  ParameterStore one({}, {});
  declare(one);
  one.allocate(Dtype::float64, 3);
  double squares = 0, largest = 0;
  for (const double x : to_values(one.values())) squares += x * x, largest = std::max(largest, std::abs(x));
  const int n = world().size();
  for (int tensor = 1; tensor <= n; ++tensor) {
    for (int pipeline = 1; pipeline <= n / tensor; ++pipeline) {
      if (n % (tensor * pipeline) != 0) continue;
      const int rest = n / (tensor * pipeline);
      for (const MeshShape& shape : {MeshShape{.data = rest, .tensor = tensor, .pipeline = pipeline},
                                     MeshShape{.tensor = tensor, .pipeline = pipeline, .sequence = rest}}) {
        const Mesh mesh(world(), shape);
        ParameterStore store(mesh.shape(), mesh.at());
        declare(store);
        store.allocate(Dtype::float64, 3);
        copy_values_to_gradients(store);
        EXPECT_NEAR(gradient_norm(store, mesh), std::sqrt(squares), 1e-13) << mesh.shape().str();
        EXPECT_EQ(gradient_norm(store, mesh, "infinity"), largest) << mesh.shape().str();
      }
    }
  }
}

TEST(ClipScale, ShortensLongGradientsOnly) {
  EXPECT_EQ(clip_scale(4, 1), 0.25);
  EXPECT_EQ(clip_scale(0.5, 1), 1);
  EXPECT_EQ(clip_scale(1e9, 0), 1);  // off
  EXPECT_EQ(clip_scale(0, 1), 1);
}

// Several steps against AdamW written down once more, with weight decay on matrices alone.
TEST(Optimizer, EqualsANaiveAdamwOverSeveralSteps) {
  OptimizerConfig config;
  config.beta1 = 0.8;
  ParameterStore store({}, {});
  declare(store);
  store.allocate(Dtype::float64, 3);
  std::vector<std::vector<reference::AdamwState>> expected;
  for (const auto& p : store.all()) {
    expected.emplace_back();
    for (const double w : to_values(p->value())) expected.back().push_back({.w = w});
  }
  Optimizer optimizer(config, store);
  for (std::int64_t step = 1; step <= 5; ++step) {
    const double rate = 0.1 / static_cast<double>(step), scale = 0.7;
    for (std::size_t i = 0; i < store.all().size(); ++i) {
      const Parameter& p = *store.all()[i];
      const Values gradient = random_values(p.value().size(), static_cast<std::uint64_t>(step) * 100 + i);
      p.gradient().copy_from_host(gradient.data());
      for (std::size_t j = 0; j < gradient.size(); ++j) {
        expected[i][j] = reference::adamw(expected[i][j], gradient[j],
                                          {.rate = rate,
                                           .beta1 = 0.8,
                                           .beta2 = config.beta2,
                                           .epsilon = config.epsilon,
                                           .decay = p.info().decay ? config.weight_decay : 0,
                                           .gradient_scale = scale,
                                           .step = step});
      }
    }
    optimizer.step(rate, scale);
  }
  EXPECT_EQ(optimizer.steps_done(), 5);
  for (std::size_t i = 0; i < store.all().size(); ++i) {
    Values weights;
    for (const auto& state : expected[i]) weights.push_back(state.w);
    expect_close(store.all()[i]->info().name, store.all()[i]->value(), weights);
  }
}

// Steps far smaller than bfloat16 resolves add up in the master weights.
TEST(Optimizer, Bfloat16WeightsFollowTheirMasters) {
  OptimizerConfig config;
  config.weight_decay = 0;
  ParameterStore store({}, {});
  Parameter* p = store.declare({.name = "w", .shape = {3}, .init = Initializer::constant(1)});
  store.allocate(Dtype::bfloat16, 3);
  Optimizer optimizer(config, store);
  ASSERT_EQ(optimizer.states().size(), 3u);
  EXPECT_EQ(optimizer.states()[2].name, "master");
  for (int step = 0; step < 100; ++step) {
    p->gradient().copy_from_host(std::vector<float>(3, 1.0f).data());
    optimizer.step(1e-3, 1);
  }
  const double master = to_values(optimizer.states()[2].flat)[0];
  EXPECT_NEAR(master, 0.9, 1e-3);
  EXPECT_EQ(to_values(p->value())[0], rounded(master, Dtype::bfloat16));
}

TEST(Optimizer, FullPrecisionWeightsAreTheirOwnMasters) {
  ParameterStore store({}, {});
  declare(store);
  store.allocate(Dtype::float32, 3);
  EXPECT_EQ(Optimizer({}, store).states().size(), 2u);
}

}  // namespace
}  // namespace longspan::testing
