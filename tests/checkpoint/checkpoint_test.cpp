#include "checkpoint/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <format>
#include <memory>
#include <optional>

#include "checkpoint/small_model.hpp"
#include "support/expect_error.hpp"
#include "support/shared_folder.hpp"
#include "support/world.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using testing::sentence_of;
using testing::SharedFolder;
using testing::SmallModel;

// All meshes of n ranks.
std::vector<MeshShape> meshes(int n = world().size()) {
  std::vector<MeshShape> all;
  for (int d = 1; d <= n; ++d) {
    for (int t = 1; t <= n; ++t) {
      for (int p = 1; p <= n; ++p) {
        if (n % (d * t * p) == 0) all.push_back({d, t, p, n / (d * t * p)});
      }
    }
  }
  return all;
}

// A mesh of the first ranks of the world, with the model that it trained; nothing on the others.
struct Part {
  MeshShape shape;
  std::unique_ptr<Mesh> mesh;
  std::unique_ptr<SmallModel> model;
};

// Every mesh of 1, 2, 3, ... ranks that the world has room for.
std::vector<Part> all_parts(Dtype dtype) {
  std::vector<Part> parts;
  for (int n = 1; n <= world().size(); ++n) {
    const Comm some = world().split("some", world().rank() < n ? 0 : 1, world().rank());
    for (const MeshShape& shape : meshes(n)) {
      Part& part = parts.emplace_back(shape);
      if (world().rank() >= n) continue;
      part.mesh = std::make_unique<Mesh>(some, shape);
      part.model = std::make_unique<SmallModel>(*part.mesh, dtype, 7, 2);
    }
  }
  return parts;
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

TEST(Checkpoint, SavedOnAnyMeshLoadsOnAnyOtherBitByBit) {
  const SharedFolder folder(world());
  const std::vector<Part> parts = all_parts(Dtype::bfloat16);
  for (const Part& from : parts) {
    if (from.mesh) save_checkpoint(folder.path("a.h5"), *from.mesh, from.model->store, from.model->optimizer, kState);
    world().barrier();
    for (const Part& to : parts) {
      SCOPED_TRACE(from.shape.str() + " to " + to.shape.str());
      if (!to.mesh) continue;
      SmallModel loaded(*to.mesh, Dtype::bfloat16, 8, 1);
      load_checkpoint(folder.path("a.h5"), *to.mesh, loaded.store, &loaded.optimizer, true);
      expect_equal(loaded, *to.model);
    }
    world().barrier();
  }
}

// So that what loads from one of them loads from all.
TEST_P(EveryDtype, TheFileIsTheSameFromEveryMesh) {
  const SharedFolder folder(world());
  std::optional<std::string> first;
  for (const Part& from : all_parts(GetParam())) {
    if (from.mesh) save_checkpoint(folder.path("a.h5"), *from.mesh, from.model->store, from.model->optimizer, kState);
    const std::string content = folder.read("a.h5");
    EXPECT_FALSE(content.empty());
    EXPECT_TRUE(content == first.value_or(content)) << from.shape.str();
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

TEST_P(EveryDtype, ALoadRestoresWhatWasSaved) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.tensor = world().size()});
  const SmallModel saved(mesh, GetParam(), 7, 2);
  save_checkpoint(folder.path("a.h5"), mesh, saved.store, saved.optimizer, kState);
  SmallModel loaded(mesh, GetParam(), 8, 1);
  load_checkpoint(folder.path("a.h5"), mesh, loaded.store, &loaded.optimizer);
  expect_equal(loaded, saved);
}

// The snapshot is what is written, though training goes on.
TEST_P(EveryDtype, ValuesMayChangeWhileTheyAreWritten) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.data = world().size()});
  SmallModel model(mesh, GetParam(), 7, 2);
  const std::size_t before = MemoryPool::instance().use(Memory::workspace).current;
  CheckpointSave saving(folder.path("a.h5"), mesh, model.store, &model.optimizer, kState, true);
  const std::size_t during = MemoryPool::instance().use(Memory::workspace).current;
  for (const auto& p : model.store.all()) ops::copy(p->value(), p->gradient());
  model.optimizer.step(0.5, 1);
  const SaveReport report = saving.finish();
  EXPECT_TRUE(saving.written());
  EXPECT_TRUE(report.had_room);
  // A GPU's values are copied to the host, outside of the pool.
  const std::int64_t expected = device::host_accessible() ? report.bytes : 0;
  EXPECT_GE(world().all_reduce_value(static_cast<std::int64_t>(during - before)), expected);
  EXPECT_EQ(MemoryPool::instance().use(Memory::workspace).current, before);
  SmallModel loaded(mesh, GetParam(), 8, 1);
  load_checkpoint(folder.path("a.h5"), mesh, loaded.store, &loaded.optimizer);
  expect_equal(loaded, SmallModel(mesh, GetParam(), 7, 2));
}

TEST(Checkpoint, WithoutRoomForASnapshotTheCallerWaits) {
  if (!device::host_accessible()) GTEST_SKIP() << "the snapshot of a GPU's values is not in the pool";
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.data = world().size()});
  const SmallModel model(mesh, Dtype::float32, 7, 2);
  MemoryPool& pool = MemoryPool::instance();
  pool.set_limit(pool.total().current + 64);
  std::optional<CheckpointSave> saving;
  const std::string sentence = [&] {  // the table of checksums fits in the last bytes or it does not
    try {
      saving.emplace(folder.path("a.h5"), mesh, model.store, &model.optimizer, kState, true);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  }();
  pool.set_limit(0);
  EXPECT_THAT(sentence, HasSubstr("checkpoint's table"));
  saving.reset();
  // Room for the table, not for the values.
  pool.set_limit(pool.total().current + 2048);
  saving.emplace(folder.path("a.h5"), mesh, model.store, &model.optimizer, kState, true);
  pool.set_limit(0);
  EXPECT_TRUE(saving->written());
  EXPECT_FALSE(saving->finish().had_room);
  SmallModel loaded(mesh, Dtype::float32, 8, 1);
  load_checkpoint(folder.path("a.h5"), mesh, loaded.store, &loaded.optimizer);
  expect_equal(loaded, model);
}

// Room for the copy between two steps says nothing about the next step's.
TEST(Checkpoint, TheSnapshotGivesWayToTensorsThatDoNotFitBesideIt) {
  if (!device::host_accessible()) GTEST_SKIP() << "the snapshot of a GPU's values is not in the pool";
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.data = world().size()});
  const SmallModel model(mesh, Dtype::float32, 7, 2);
  MemoryPool& pool = MemoryPool::instance();
  const std::size_t before = pool.total().current;
  CheckpointSave saving(folder.path("a.h5"), mesh, model.store, &model.optimizer, kState, true);
  pool.set_limit(pool.total().current);
  const auto elements = static_cast<std::int64_t>(pool.total().current - before) / 4;
  if (world().rank() == 0) {
    EXPECT_NO_THROW(Tensor::empty({elements}, Dtype::float32));
    EXPECT_TRUE(saving.written());
  }
  pool.set_limit(0);
  EXPECT_FALSE(saving.finish().had_room);  // on every rank
  SmallModel loaded(mesh, Dtype::float32, 8, 1);
  load_checkpoint(folder.path("a.h5"), mesh, loaded.store, &loaded.optimizer);
  expect_equal(loaded, model);
}

TEST(Checkpoint, ASaveThatIsGivenUpLeavesNothing) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.data = world().size()});
  const SmallModel model(mesh, Dtype::float32, 7, 0);
  {
    const CheckpointSave given_up(folder.path("a.h5"), mesh, model.store, &model.optimizer, kState, true);
  }
  world().barrier();
  EXPECT_EQ(folder.read("a.h5") + folder.read("a.h5.tmp"), "");
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

TEST(Checkpoint, PartsOfAModelAreLoadedByName) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.tensor = world().size()});
  const SmallModel saved(mesh, Dtype::bfloat16, 7, 2);
  const std::string path = folder.path("a.h5");
  save_checkpoint(path, mesh, saved.store, saved.optimizer, kState);
  SmallModel loaded(mesh, Dtype::bfloat16, 8, 0);
  const SmallModel initial(mesh, Dtype::bfloat16, 8, 0);
  EXPECT_EQ(load_parameters(path, "blocks.1.*,embedding.weigh?", mesh, loaded.store, &loaded.optimizer), 8);
  for (std::size_t i = 0; i < loaded.store.all().size(); ++i) {
    const Parameter& p = *loaded.store.all()[i];
    const bool chosen = p.info().name.starts_with("blocks.1.") || p.info().name == "embedding.weight";
    const SmallModel& source = chosen ? saved : initial;
    EXPECT_EQ(bytes_of(p.value()), bytes_of(source.store.all()[i]->value())) << p.info().name;
    const auto master = [&](const SmallModel& model) {
      return bytes_of(model.optimizer.states()[2].flat.slice(p.offset(), p.local_shape().size()));
    };
    EXPECT_EQ(master(loaded), master(source)) << p.info().name;
  }
  EXPECT_EQ(loaded.optimizer.steps_done(), 0);
  const auto refusal = [&](const std::string& patterns, std::int64_t width) {
    const SmallModel other(mesh, Dtype::float32, 8, 0, width);
    return sentence_of([&] { load_parameters(path, patterns, mesh, other.store, nullptr); });
  };
  EXPECT_THAT(refusal("block.*", 6), HasSubstr("no parameter of this model is called 'block.*'"));
  EXPECT_EQ(refusal("norm.*", 8), path +
                                      " holds another model: norm.weight is [6], this configuration wants [8]; "
                                      "change [model], or leave it out with checkpoint.load_only");
  const SmallModel wider(mesh, Dtype::float64, 8, 0, 8);
  EXPECT_EQ(load_parameters(path, "*.striped.weight", mesh, wider.store, nullptr), testing::kLayers);
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
