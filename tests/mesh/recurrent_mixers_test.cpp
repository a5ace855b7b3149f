// Promise 1 for the recurrent token mixers: states cross the sequence axis, heads the tensor axis.
#include <gtest/gtest.h>

#include <filesystem>

#include "mesh/mesh_case.hpp"
#include "mixers/rnn.hpp"
#include "support/world.hpp"

namespace longspan::mesh_test {
namespace {

constexpr double kTolerance = 1e-10;
constexpr int kSteps = 2;

class RecurrentMesh : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { corpus = make_corpus(world()); }
  static void TearDownTestSuite() {
    world().barrier();
    if (world().rank() == 0) std::filesystem::remove(corpus);
  }

  static TrainConfig config(const std::string& mixers) {
    TrainConfig c = small_config(corpus);
    c.model.mixers = mixers;
    c.model.causal = mixers != "hydra";
    if (!c.model.causal) c.objective.kind = "masked_token";
    c.model.chunk = 8;
    c.model.state_width = 8;
    return c;
  }

  // All meshes, or every `stride`-th from the `first` on.
  static void expect_equal(const TrainConfig& c, std::size_t first = 0, std::size_t stride = 1) {
    const Outcome one = run_steps(c, {}, world().split("self", world().rank(), 0), kSteps);
    const std::vector<MeshShape> shapes = factorisations(world().size());
    for (std::size_t i = first % stride; i < shapes.size(); i += stride) {
      const Outcome mesh = run_steps(c, shapes[i], world(), kSteps);
      EXPECT_LT(loss_deviation(mesh, one), kTolerance) << c.model.mixers << " on " << shapes[i].str();
      EXPECT_LT(gradient_deviation(mesh, one), kTolerance) << c.model.mixers << " on " << shapes[i].str();
    }
  }

  static std::vector<std::string> mixers() {
    std::vector<std::string> names;
    for (const std::string& name : mixer_names()) {
      if (is_recurrent(name)) names.push_back(name);
    }
    return names;
  }

  static std::string corpus;
};
std::string RecurrentMesh::corpus;

// On more than 4 ranks the mixers take turns with the meshes.
TEST_F(RecurrentMesh, EveryMixer) {
  std::size_t turn = 0;
  for (const std::string& mixer : mixers()) expect_equal(config(mixer), turn++, world().size() > 4 ? 3 : 1);
}

TEST_F(RecurrentMesh, FewerTokensThanRanksAndConvolutionsLongerThanTheirRuns) {
  std::size_t turn = 0;
  for (const std::string& mixer : mixers()) {
    for (const std::int64_t length : {3, 7}) {
      TrainConfig c = config(mixer);
      c.data.sequence_length = length;
      expect_equal(c, turn++, 4);
    }
  }
}

// Wide heads, whose cells exchange rows for heads where others relay states.
TEST_F(RecurrentMesh, CellsWithWideHeads) {
  TrainConfig c = config("lstm,gru");
  c.model.width = 256;
  c.data.sequence_length = 9;
  ASSERT_EQ(choose_rnn_way(rnn_layer(ops::RnnCell::lstm, 1, 4, 64, Dtype::float64, true), 2).way, RnnWay::exchange);
  expect_equal(c, 2, 4);
}

// Attention's zigzag shard: recurrences exchange rows.
TEST_F(RecurrentMesh, HybridsOnEveryShard) {
  std::size_t turn = 0;
  for (const char* shard : {"auto", "contiguous", "striped"}) {
    TrainConfig c = config(turn == 2 ? "lstm,attention,gla,attention" : "gla,attention,gated_deltanet,attention");
    c.parallel.sequence_shard = shard;
    c.parallel.recompute = "block";
    c.data.mask_documents = turn != 1;
    expect_equal(c, turn++, 3);
  }
}

TEST_F(RecurrentMesh, TheShardFollowsFromTheMixers) {
  EXPECT_EQ(shard_kind(config("gla")), ShardKind::contiguous);
  EXPECT_EQ(shard_kind(config("gla*3,attention")), ShardKind::zigzag);
  EXPECT_EQ(shard_kind(config("attention")), ShardKind::zigzag);
  TrainConfig c = config("mamba2");
  c.parallel.sequence_shard = "striped";
  EXPECT_EQ(shard_kind(c), ShardKind::striped);
}

}  // namespace
}  // namespace longspan::mesh_test
