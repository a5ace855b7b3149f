#include "optim/gradient_reducer.hpp"

#include <gtest/gtest.h>

#include "ops/elementwise.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

double sum_of_ranks() { return world().size() * (world().size() + 1) / 2.0; }

// Rank r holds the gradient r + 1, plus 100 a parameter.
void fill_gradients(const ParameterStore& store) {
  double base = 0;
  for (const auto& p : store.all()) ops::fill(p->gradient(), (base += 100) + world().rank() + 1);
}

TEST(GradientReducer, SumsEveryGroupOverAllThatHoldIt) {
  const int n = world().size();
  for (const MeshShape& shape : {MeshShape{.data = n}, MeshShape{.tensor = n}, MeshShape{.sequence = n}}) {
    const Mesh mesh(world(), shape);
    ParameterStore store(mesh.shape(), mesh.at());
    for (int group = 0; group < 3; ++group) {
      store.declare({.name = "weight" + std::to_string(group), .shape = {5, 3}, .group = group});
      store.declare({.name = "bias" + std::to_string(group), .shape = {3}, .group = group});
    }
    store.allocate(Dtype::float64, 1);
    fill_gradients(store);
    GradientReducer reducer(store, mesh);
    for (int group = 2; group >= 0; --group) {
      reducer.start(group, true);
      reducer.poll();
    }
    reducer.finish();
    double base = 0;
    for (const auto& p : store.all()) {
      base += 100;
      EXPECT_EQ(to_values(p->gradient()),
                Values(static_cast<std::size_t>(p->value().size()), n * base + sum_of_ranks()));
    }
  }
}

TEST(GradientReducer, SumsWhatAnAxisSplitsOverTheOthersAlone) {
  const int n = world().size();
  for (const MeshShape& shape : {MeshShape{.data = n}, MeshShape{.tensor = n}, MeshShape{.sequence = n}}) {
    const Mesh mesh(world(), shape);
    ParameterStore store(mesh.shape(), mesh.at());
    store.declare({.name = "whole", .shape = {5}});
    store.declare({.name = "positions", .shape = {2, 7}, .shard = ParameterShard::by_position(1, ShardKind::zigzag)});
    store.declare({.name = "heads", .shape = {7, 2}, .shard = {0, 1}});
    store.declare({.name = "whole too", .shape = {3}});
    store.allocate(Dtype::float64, 1);
    fill_gradients(store);
    GradientReducer reducer(store, mesh);
    reducer.start(0, true);
    reducer.finish();
    for (std::size_t i = 0; i < store.all().size(); ++i) {
      const Parameter& p = *store.all()[i];
      const double base = 100.0 * static_cast<double>(i + 1);
      const bool split = n > 1 && p.local_shape() != p.info().shape;
      const double expected = split ? base + world().rank() + 1 : n * base + sum_of_ranks();
      EXPECT_EQ(to_values(p.gradient()), Values(static_cast<std::size_t>(p.local_shape().size()), expected))
          << p.info().name << " on " << shape.str();
    }
  }
}

TEST(GradientReducer, SumsATiedEmbeddingOverBothEndsAndNothingElse) {
  const Mesh mesh(world(), {.pipeline = world().size()});
  ParameterStore store(mesh.shape(), mesh.at());
  const bool tied = world().size() > 1, end = mesh.first_stage() || mesh.last_stage();
  store.declare({.name = "block", .shape = {4}, .group = 1});
  if (end) store.declare({.name = "table", .shape = {5, 3}, .tied_copy = !mesh.first_stage(), .tied = tied});
  store.allocate(Dtype::float64, 1);
  fill_gradients(store);
  GradientReducer reducer(store, mesh);
  reducer.start(1, true);
  reducer.start(0, true);
  reducer.finish();
  EXPECT_EQ(to_values(store.all()[0]->gradient()), Values(4, 100 + world().rank() + 1));
  if (end) {
    const double both = tied ? 400 + 1 + world().size() : 201;
    EXPECT_EQ(to_values(store.all()[1]->gradient()), Values(15, both));
  }
}

// Two microbatches of two groups; what a rank owns has the sum of both over all ranks, in any stage. Sizes that do not
// divide; a group of 3 elements, of which some ranks own nothing but padding.
TEST(GradientReducer, OwnedGradientsAreSumsOverMicrobatchesAndRanksInEveryStageOfZero) {
  const int n = world().size();
  for (int zero = 0; zero <= 3; ++zero) {
    for (const MeshShape& shape : {MeshShape{.data = n}, MeshShape{.tensor = n}, MeshShape{.sequence = n}}) {
      const Mesh mesh(world(), shape);
      ParameterStore store(mesh.shape(), mesh.at(), zero);
      store.declare({.name = "large", .shape = {37, 3}, .group = 0});
      store.declare({.name = "small", .shape = {3}, .group = 1});
      store.allocate(Dtype::bfloat16, 1);
      GradientReducer reducer(store, mesh);
      for (int microbatch = 0; microbatch < 2; ++microbatch) {
        for (const int group : {1, 0}) {
          store.open_gradients(std::vector<int>{group});
          const Parameter& p = *store.all()[static_cast<std::size_t>(group)];
          const Tensor one = Tensor::empty(p.local_shape(), Dtype::float32);
          ops::fill(one, world().rank() + 1 + 100 * microbatch);
          ops::add_scaled(one, 1, p.gradient());
          reducer.start(group, microbatch == 1);
          reducer.poll();
        }
      }
      reducer.finish();
      std::int64_t owned = 0;
      for (const auto& p : store.all()) {
        EXPECT_EQ(to_values(store.owned_gradient(*p)),
                  Values(static_cast<std::size_t>(p->owned().size()), 2 * sum_of_ranks() + 100 * n))
            << "stage " << zero << " " << shape.str();
        EXPECT_EQ(p->gradient().defined(), zero < 2 || n == 1);
        owned += p->owned().size();
      }
      EXPECT_EQ(world().all_reduce_value(owned), (37 * 3 + 3) * (zero == 0 ? n : 1));
    }
  }
}

}  // namespace
}  // namespace longspan::testing
