// Promise 1: in float64 every mesh gives the losses and gradients of one rank to 1e-10 relative. Each test runs on
// every mesh of the ranks that it was started with.
#include <gtest/gtest.h>

#include <filesystem>

#include "mesh/mesh_case.hpp"
#include "support/world.hpp"

namespace longspan::mesh_test {
namespace {

constexpr double kTolerance = 1e-10;
constexpr int kSteps = 5;

// A small BERT: every token sees its document, hidden tokens are asked for.
TrainConfig bidirectional(const std::string& corpus) {
  TrainConfig c = small_config(corpus);
  c.model.causal = false;
  c.model.norm = "layer";
  c.model.activation = "gelu";
  c.model.positions = "learned";
  c.model.bias = true;
  c.objective.kind = "masked_token";
  return c;
}

class MeshEquality : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { corpus = make_corpus(world()); }
  static void TearDownTestSuite() {
    world().barrier();
    if (world().rank() == 0) std::filesystem::remove(corpus);
  }

  // Every rank computes one rank's answer by itself, then its part of every mesh's.
  void expect_equal(const TrainConfig& config) const {
    const Comm self = world().split("self", world().rank(), 0);
    const Outcome one = run_steps(config, {}, self, kSteps);
    for (const MeshShape& shape : factorisations(world().size())) {
      const Outcome mesh = run_steps(config, shape, world(), kSteps);
      EXPECT_LT(loss_deviation(mesh, one), kTolerance) << shape.str();
      EXPECT_LT(gradient_deviation(mesh, one), kTolerance) << shape.str();
    }
  }

  static std::string corpus;
};
std::string MeshEquality::corpus;

TEST_F(MeshEquality, LlamaShapeWithTiedEmbeddings) { expect_equal(small_config(corpus)); }

TEST_F(MeshEquality, GptShapeWithBiasesLearnedPositionsAndDropout) {
  TrainConfig c = small_config(corpus);
  c.model.norm = "layer";
  c.model.activation = "gelu";
  c.model.positions = "learned";
  c.model.bias = true;
  c.model.dropout = 0.1;
  expect_equal(c);
}

TEST_F(MeshEquality, AlibiWindowUntiedRecomputedSmoothed) {
  TrainConfig c = small_config(corpus);
  c.objective.label_smoothing = 0.1;
  c.objective.z_loss = 0.01;
  c.model.positions = "alibi";
  c.model.window = 13;
  c.model.tied_embeddings = false;
  c.parallel.recompute = "block";
  c.parallel.schedule = "gpipe";
  expect_equal(c);
}

TEST_F(MeshEquality, SequencesShorterThanTheRanks) {
  TrainConfig c = small_config(corpus);
  c.data.sequence_length = 3;
  expect_equal(c);
}

TEST_F(MeshEquality, BidirectionalMaskedTokens) {
  TrainConfig c = bidirectional(corpus);
  c.model.dropout = 0.1;
  expect_equal(c);
}

TEST_F(MeshEquality, LinformerAndAttentionInTurns) {
  TrainConfig c = bidirectional(corpus);
  c.model.mixers = "linformer,attention";
  c.model.linformer_rank = 5;
  c.model.dropout = 0.1;
  c.data.mask_documents = false;
  expect_equal(c);
}

// Some steps of so short sequences hide hardly a token, some ranks hold none.
TEST_F(MeshEquality, LinformerOfShortSequencesOnAStripedShard) {
  TrainConfig c = bidirectional(corpus);
  c.model.mixers = "linformer";
  c.model.linformer_rank = 5;
  c.data.mask_documents = false;
  c.data.sequence_length = 7;
  c.parallel.recompute = "block";
  c.parallel.sequence_shard = "striped";
  expect_equal(c);
}

TEST_F(MeshEquality, EveryShardOfTheSequence) {
  for (const char* shard : {"contiguous", "striped"}) {
    TrainConfig c = small_config(corpus);
    c.parallel.sequence_shard = shard;
    c.data.mask_documents = false;
    expect_equal(c);
  }
}

// On more than 4 ranks each mesh takes its turn with two of the methods.
TEST_F(MeshEquality, EveryWayAcrossTheSequenceAxis) {
  TrainConfig c = small_config(corpus);
  c.model.window = 17;
  c.model.dropout = 0.1;
  const Comm self = world().split("self", world().rank(), 0);
  const Outcome one = run_steps(c, {}, self, 2);
  std::size_t turn = 0;
  for (const MeshShape& shape : factorisations(world().size())) {
    if (shape.sequence == 1) continue;
    const std::vector<std::string> methods = methods_on(c, shape);
    const std::size_t count = world().size() <= 4 ? methods.size() : 2;
    for (std::size_t i = 0; i < count; ++i) {
      c.parallel.sequence_method = methods[turn++ % methods.size()];
      c.parallel.recompute = kRecompute[i % kRecompute.size()];
      const Outcome mesh = run_steps(c, shape, world(), 2);
      EXPECT_LT(loss_deviation(mesh, one), kTolerance) << c.parallel.sequence_method << " on " << shape.str();
      EXPECT_LT(gradient_deviation(mesh, one), kTolerance) << c.parallel.sequence_method << " on " << shape.str();
    }
  }
}

// A window of their own for some layers, a method for each kind of layer, beside a recurrence.
TEST_F(MeshEquality, WindowsAndMethodsByLayer) {
  TrainConfig c = small_config(corpus);
  c.model.mixers = "attention:5,gla,attention:0,attention";
  c.model.window = 17;
  c.model.chunk = 8;
  const Comm self = world().split("self", world().rank(), 0);
  const Outcome one = run_steps(c, {}, self, 2);
  c.parallel.sequence_method = "window,ring,bidirectional_ring,allgather_kv";
  const MeshShape shape = world().size() % 2 == 0 ? MeshShape{.tensor = 2, .sequence = world().size() / 2}
                                                  : MeshShape{.sequence = world().size()};
  const Outcome mesh = run_steps(c, shape, world(), 2);
  EXPECT_LT(loss_deviation(mesh, one), kTolerance);
  EXPECT_LT(gradient_deviation(mesh, one), kTolerance);
  c.model.mixers = "attention,gla,attention:0,attention:5";
  EXPECT_GT(loss_deviation(run_steps(c, shape, world(), 2), one), kTolerance);
}

TEST_F(MeshEquality, TheSameMeshTwiceGivesTheSameBits) {
  const MeshShape shape = factorisations(world().size()).back();
  TrainConfig c = small_config(corpus);
  c.run.dtype = "float32";
  c.parallel.microbatches = 1;
  const auto losses = [&] {
    TrainConfig config = c;
    config.parallel.data = shape.data;
    config.parallel.tensor = shape.tensor;
    config.parallel.pipeline = shape.pipeline;
    config.parallel.sequence = shape.sequence;
    Session session(config, world());
    session.allocate(true);
    TrainingStep step(session);
    std::vector<double> values;
    for (int s = 0; s < kSteps; ++s) values.push_back(step.run(s).loss);
    return values;
  };
  EXPECT_EQ(losses(), losses());
}

}  // namespace
}  // namespace longspan::mesh_test
