#include "checkpoint/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <format>
#include <optional>

#include "checkpoint/small_model.hpp"
#include "support/expect_error.hpp"
#include "support/shared_folder.hpp"
#include "support/world.hpp"

namespace longspan {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using testing::sentence_of;
using testing::SharedFolder;
using testing::SmallModel;

// All meshes of the world's size.
std::vector<MeshShape> meshes() {
  std::vector<MeshShape> all;
  const int n = world().size();
  for (int d = 1; d <= n; ++d) {
    for (int t = 1; t <= n; ++t) {
      for (int p = 1; p <= n; ++p) {
        if (n % (d * t * p) == 0) all.push_back({d, t, p, n / (d * t * p)});
      }
    }
  }
  return all;
}

const TrainState kState = {
    .step = 2,
    .tokens = 4096,
    .next_sequence = 16,
    .seed = 7,
    .vocabulary = 11,
    .tokenizer = "sentencepiece",
    .tokenizer_model = std::string("\0\1bytes", 7),
    .provenance = {"0.1", "abc", "[run]\nsteps = 2\n", "1x1x1x1", "node7", "2026-11-24T20:00:00Z"}};

std::vector<std::byte> bytes_of(const Tensor& t) {
  std::vector<std::byte> bytes(t.bytes());
  t.copy_to_host(bytes.data());
  return bytes;
}

// What a rank keeps, bit by bit; the padding between parameters does not count.
void expect_equal(const SmallModel& a, const SmallModel& b) {
  EXPECT_EQ(a.optimizer.steps_done(), b.optimizer.steps_done());
  for (std::size_t i = 0; i < a.store.all().size(); ++i) {
    const Parameter &p = *a.store.all()[i], &other = *b.store.all()[i];
    EXPECT_EQ(bytes_of(a.store.owned_values(p)), bytes_of(b.store.owned_values(other))) << p.info().name;
    if (!shards_values(a.store.zero())) {
      EXPECT_EQ(bytes_of(p.value()), bytes_of(other.value())) << p.info().name;
    }
    for (std::size_t s = 0; s < a.optimizer.states().size(); ++s) {
      EXPECT_EQ(bytes_of(ParameterStore::owned_of(p, a.optimizer.states()[s].flat)),
                bytes_of(ParameterStore::owned_of(other, b.optimizer.states()[s].flat)))
          << a.optimizer.states()[s].name << " of " << p.info().name;
    }
  }
}

class EveryDtype : public ::testing::TestWithParam<Dtype> {};
INSTANTIATE_TEST_SUITE_P(, EveryDtype, ::testing::Values(Dtype::float64, Dtype::float32, Dtype::bfloat16),
                         [](const auto& info) { return to_string(info.param); });

TEST_P(EveryDtype, SavedOnAnyMeshLoadsOnAnyOtherBitByBit) {
  const SharedFolder folder(world());
  for (const MeshShape& from : meshes()) {
    const Mesh saving(world(), from);
    const SmallModel saved(saving, GetParam(), 7, 2);
    save_checkpoint(folder.path("a.h5"), saving, saved.store, saved.optimizer, kState);
    for (const MeshShape& to : meshes()) {
      SCOPED_TRACE(from.str() + " to " + to.str());
      const Mesh loading(world(), to);
      SmallModel loaded(loading, GetParam(), 8, 1);
      load_checkpoint(folder.path("a.h5"), loading, loaded.store, &loaded.optimizer);
      expect_equal(loaded, SmallModel(loading, GetParam(), 7, 2));
    }
  }
}

TEST_P(EveryDtype, TheFileIsTheSameFromEveryMesh) {
  const SharedFolder folder(world());
  std::optional<std::string> first;
  for (const MeshShape& shape : meshes()) {
    const Mesh mesh(world(), shape);
    const SmallModel model(mesh, GetParam(), 7, 2);
    save_checkpoint(folder.path("a.h5"), mesh, model.store, model.optimizer, kState);
    const std::string content = folder.read("a.h5");
    EXPECT_FALSE(content.empty());
    EXPECT_TRUE(content == first.value_or(content)) << shape.str();
    first = content;
  }
}

// Each stage of ZeRO in turn, on the mesh that comes next: all of them meet.
TEST_P(EveryDtype, SavedWithAnyStageOfZeroLoadsWithAnyOther) {
  const SharedFolder folder(world());
  const std::vector<MeshShape> shapes = meshes();
  std::size_t turn = 0;
  for (int from = 0; from <= 3; ++from) {
    for (int to = 0; to <= 3; ++to) {
      const MeshShape a = shapes[turn % shapes.size()], b = shapes[(3 * turn + 1) % shapes.size()];
      ++turn;
      SCOPED_TRACE(std::format("stage {} on {} to {} on {}", from, a.str(), to, b.str()));
      const Mesh saving(world(), a), loading(world(), b);
      const SmallModel saved(saving, GetParam(), 7, 2, 6, testing::kLayers, from);
      save_checkpoint(folder.path("a.h5"), saving, saved.store, saved.optimizer, kState);
      SmallModel loaded(loading, GetParam(), 8, 1, 6, testing::kLayers, to);
      load_checkpoint(folder.path("a.h5"), loading, loaded.store, &loaded.optimizer);
      expect_equal(loaded, SmallModel(loading, GetParam(), 7, 2, 6, testing::kLayers, to));
    }
  }
}

TEST_P(EveryDtype, TheFileIsTheSameFromEveryStageOfZero) {
  const SharedFolder folder(world());
  std::optional<std::string> first;
  for (int zero = 0; zero <= 3; ++zero) {
    for (const MeshShape& shape : {MeshShape{.data = world().size()}, MeshShape{.sequence = world().size()}}) {
      const Mesh mesh(world(), shape);
      const SmallModel model(mesh, GetParam(), 7, 2, 6, testing::kLayers, zero);
      save_checkpoint(folder.path("a.h5"), mesh, model.store, model.optimizer, kState);
      const std::string content = folder.read("a.h5");
      EXPECT_TRUE(content == first.value_or(content)) << zero << " on " << shape.str();
      first = content;
    }
  }
}

// What one rank holds, saved in one dtype and loaded in another.
std::vector<double> reloaded(const SharedFolder& folder, Dtype from, Dtype to) {
  const Mesh mesh(world(), {.data = world().size()});
  const SmallModel saved(mesh, from, 7, 2);
  save_checkpoint(folder.path("a.h5"), mesh, saved.store, saved.optimizer, kState);
  SmallModel loaded(mesh, to, 8, 0);
  load_checkpoint(folder.path("a.h5"), mesh, loaded.store, &loaded.optimizer);
  const Tensor wide = Tensor::empty(loaded.store.values().shape(), Dtype::float64);
  ops::copy(loaded.optimizer.states().size() > 2 ? loaded.optimizer.states()[2].flat : loaded.store.values(), wide);
  return wide.to_host<double>();
}

TEST(Checkpoint, OtherDtypesStartFromTheMasterWeights) {
  const SharedFolder folder(world());
  const auto narrow = reloaded(folder, Dtype::bfloat16, Dtype::bfloat16);
  EXPECT_EQ(reloaded(folder, Dtype::bfloat16, Dtype::float32), narrow);
  EXPECT_EQ(reloaded(folder, Dtype::bfloat16, Dtype::float64), narrow);
  EXPECT_EQ(reloaded(folder, Dtype::float32, Dtype::float64), reloaded(folder, Dtype::float32, Dtype::float32));
  EXPECT_EQ(reloaded(folder, Dtype::float32, Dtype::bfloat16), reloaded(folder, Dtype::float32, Dtype::float32));
}

TEST(Checkpoint, GenerationNeedsNoOptimizer) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.tensor = world().size()});
  const SmallModel saved(mesh, Dtype::bfloat16, 7, 2);
  save_checkpoint(folder.path("a.h5"), mesh, saved.store, saved.optimizer, kState);
  const SmallModel loaded(mesh, Dtype::bfloat16, 8, 0);
  load_checkpoint(folder.path("a.h5"), mesh, loaded.store);
  for (std::size_t i = 0; i < loaded.store.all().size(); ++i) {
    EXPECT_EQ(bytes_of(loaded.store.all()[i]->value()), bytes_of(saved.store.all()[i]->value()));
  }
  EXPECT_EQ(loaded.optimizer.steps_done(), 0);
}

TEST(Checkpoint, StateComesBackWhole) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.sequence = world().size()});
  SmallModel model(mesh, Dtype::float32, 7, 2);
  save_checkpoint(folder.path("a.h5"), mesh, model.store, model.optimizer, kState);
  const TrainState loaded = load_checkpoint(folder.path("a.h5"), mesh, model.store, &model.optimizer);
  for (const TrainState& state : {loaded, read_checkpoint_info(folder.path("a.h5")).state}) {
    EXPECT_EQ(state.step, kState.step);
    EXPECT_EQ(state.tokens, kState.tokens);
    EXPECT_EQ(state.next_sequence, kState.next_sequence);
    EXPECT_EQ(state.seed, kState.seed);
    EXPECT_EQ(state.vocabulary, kState.vocabulary);
    EXPECT_EQ(state.tokenizer, kState.tokenizer);
    EXPECT_EQ(state.tokenizer_model, kState.tokenizer_model);
    EXPECT_EQ(state.provenance.config, kState.provenance.config);
    EXPECT_EQ(state.provenance.mesh, kState.provenance.mesh);
    EXPECT_EQ(state.provenance.time, kState.provenance.time);
  }
}

TEST(Checkpoint, EveryTensorSaysHowItShards) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.pipeline = world().size()});
  const SmallModel model(mesh, Dtype::bfloat16, 7, 0);
  save_checkpoint(folder.path("a.h5"), mesh, model.store, model.optimizer, kState);
  const std::string path = folder.path("a.h5");
  const hdf5::Handle file = hdf5::open_file(path, "checkpoint");
  const hdf5::Handle dataset = hdf5::open_dataset(file, "model/blocks.1.output.weight", path);
  EXPECT_EQ(hdf5::read_text(dataset, "dtype", path), "bfloat16");
  EXPECT_EQ(hdf5::read_integer(dataset, "shard_dim", path), 1);
  EXPECT_EQ(hdf5::read_integer(dataset, "shard_granule", path), 2);
  EXPECT_EQ(hdf5::read_text(dataset, "shard_axis", path), "tensor");
  EXPECT_EQ(hdf5::read_text(hdf5::open_dataset(file, "model/blocks.0.zigzag.weight", path), "shard_axis", path),
            "sequence");
  EXPECT_EQ(hdf5::read_text(hdf5::open_dataset(file, "optimizer/master/norm.weight", path), "dtype", path), "float32");
}

TEST(Checkpoint, AnotherModelIsNamed) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.pipeline = world().size()});
  const SmallModel saved(mesh, Dtype::float32, 7, 0);
  save_checkpoint(folder.path("a.h5"), mesh, saved.store, saved.optimizer, kState);
  const auto loading = [&](std::int64_t width, int layers) {
    SmallModel model(mesh, Dtype::float32, 7, 0, width, layers);
    return sentence_of([&] { load_checkpoint(folder.path("a.h5"), mesh, model.store, &model.optimizer); });
  };
  EXPECT_EQ(loading(8, 4), folder.path("a.h5") +
                               " holds another model: embedding.weight is [11, 6], this configuration wants [11, 8]; "
                               "use the configuration stored in the checkpoint");
  EXPECT_THAT(loading(6, 5), HasSubstr("it lacks /model/blocks.4.norm.weight"));
  EXPECT_THAT(loading(6, 3), HasSubstr("it has /model/blocks.3."));
}

}  // namespace
}  // namespace longspan
