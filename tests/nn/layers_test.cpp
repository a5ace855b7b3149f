// The dense layers: gradients against central differences on one rank, and the tensor axis of all ranks against one.
#include <gtest/gtest.h>

#include "nn/feed_forward.hpp"
#include "nn/layer_case.hpp"
#include "nn/norm.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

Comm self() { return world().split("self", world().rank(), 0); }

ModelConfig small_model() {
  ModelConfig m;
  m.layers = 2, m.width = 8, m.heads = 2, m.feed_forward = 10;
  return m;
}

// Any layer with forward(context, x) that is made from (store, name, config, group).
template <class Layer>
LayerCase layer_case(const ModelConfig& model) {
  return {.make = [model](ParameterStore& store) -> Forward {
    const auto layer = std::make_shared<Layer>(store, "layer", model, 0);
    return [layer](const Context& context, const Variable& x) { return layer->forward(context, x); };
  }};
}

// The width of 10 is uneven over 4 ranks.
TEST(FeedForwardLayer, GeluWithBiases) {
  ModelConfig m = small_model();
  m.activation = "gelu";
  m.bias = true;
  expect_layer_gradients(layer_case<FeedForward>(m), self());
  expect_like_one_rank(layer_case<FeedForward>(m), world(), self(), {.tensor = world().size()});
}

TEST(FeedForwardLayer, Swiglu) {
  ModelConfig m = small_model();
  m.activation = "swiglu";
  expect_layer_gradients(layer_case<FeedForward>(m), self());
  expect_like_one_rank(layer_case<FeedForward>(m), world(), self(), {.tensor = world().size()});
}

TEST(FeedForwardLayer, NarrowerThanTheRanks) {
  ModelConfig m = small_model();
  m.feed_forward = 3;
  expect_like_one_rank(layer_case<FeedForward>(m), world(), self(), {.tensor = world().size()});
}

TEST(NormLayer, LayerAndRms) {
  for (const char* kind : {"layer", "rms"}) {
    ModelConfig m = small_model();
    m.norm = kind;
    expect_layer_gradients(layer_case<Norm>(m), self());
    expect_like_one_rank(layer_case<Norm>(m), world(), self(), {.sequence = world().size()});
  }
}

TEST(Linear, SecondMatrixOfABranchStartsSmallerByTheDepth) {
  ParameterStore store({}, {});
  const FeedForward layer(store, "layer", small_model(), 0);
  for (const auto& p : store.all()) {
    const double expected = p->info().name == "layer.down.weight" ? 0.02 / 2 : 0.02;  // sqrt(2 * 2 layers)
    EXPECT_DOUBLE_EQ(p->info().init.value, expected) << p->info().name;
  }
}

}  // namespace
}  // namespace longspan::testing
