// A shape-only step accounts what a rank really holds and sends, to the byte: every mesh of these ranks, every rank.
#include "train/step_account.hpp"

#include <gtest/gtest.h>

#include "mesh/mesh_case.hpp"
#include "support/shared_folder.hpp"
#include "support/world.hpp"
#include "tensor/device.hpp"
#include "train/training_step.hpp"

namespace longspan::mesh_test {
namespace {

constexpr std::int64_t kVocabulary = 257;

StepAccount measure_step(const TrainConfig& config) {
  MemoryPool& pool = MemoryPool::instance();
  pool.release_kept_blocks();
  pool.reset_peak();
  EXPECT_EQ(pool.total().current, 0u);
  CommCounters::instance().reset();
  Session session(config, world());
  session.allocate(true);
  TrainingStep(session).run(0);
  StepAccount account{
      .peak_total = pool.total().peak, .reserved = pool.reserved(), .traffic = CommCounters::instance().all()};
  for (int c = 0; c < kMemoryCategories; ++c) account.peak[c] = pool.use(static_cast<Memory>(c)).peak;
  return account;
}

std::map<std::string, std::pair<std::int64_t, std::int64_t>> calls_and_bytes(const StepAccount& account) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> counts;
  for (const auto& [key, count] : account.traffic) {
    counts[key.first + " " + key.second] = {count.calls, count.bytes};
  }
  return counts;
}

void expect_equal(const StepAccount& account, const StepAccount& real) {
  EXPECT_EQ(account.peak_total, real.peak_total);
  EXPECT_EQ(account.reserved, real.reserved);
  for (int c = 0; c < kMemoryCategories; ++c) EXPECT_EQ(account.peak[c], real.peak[c]) << to_string(Memory(c));
  EXPECT_EQ(calls_and_bytes(account), calls_and_bytes(real));
}

class StepAccountTest : public ::testing::Test {
 protected:
  StepAccountTest() : corpus_(make_corpus(world())) {}
  ~StepAccountTest() override {
    world().barrier();
    if (world().rank() == 0) std::remove(corpus_.c_str());
  }

  TrainConfig small() const {
    TrainConfig config = small_config(corpus_);
    config.data.mask_documents = false;
    return config;
  }

  static MeshCoordinate me(const MeshShape& shape) { return coordinate_of(shape, world().rank()); }

  static void expect_exact(const TrainConfig& config, const MeshShape& shape) {
    SCOPED_TRACE(shape.str() + " " + config.parallel.sequence_method);
    const TrainConfig on_mesh = with_mesh(config, shape);
    const StepAccount real = measure_step(on_mesh);
    expect_equal(account_step(on_mesh, me(shape), kVocabulary), real);
  }

  // On more than 8 ranks every fourth mesh.
  static void expect_exact_on_every_mesh(const TrainConfig& config) {
    const std::vector<MeshShape> shapes = factorisations(world().size());
    const std::size_t step = world().size() <= 8 ? 1 : 4;
    for (std::size_t i = 0; i < shapes.size(); i += step) expect_exact(config, shapes[i]);
  }

 private:
  std::string corpus_;
};

TEST_F(StepAccountTest, EqualsTheRealStepInFloat64) { expect_exact_on_every_mesh(small()); }

TEST_F(StepAccountTest, EqualsTheRealStepInFloat32WithRecomputationAndEverythingShared) {
  TrainConfig config = small();
  config.run.dtype = "float32";
  config.parallel.recompute = "block";
  config.parallel.zero = 3;
  expect_exact_on_every_mesh(config);
}

TEST_F(StepAccountTest, EqualsTheRealStepInBfloat16WithGradientsShared) {
  TrainConfig config = small();
  config.run.dtype = "bfloat16";
  config.parallel.zero = 2;
  expect_exact_on_every_mesh(config);
}

// Several query and key tiles, and sequences that share a tile.
TEST_F(StepAccountTest, EqualsTheRealStepOnLongSequences) {
  TrainConfig config = small();
  config.run.dtype = "float32";
  config.data.sequence_length = 401;
  config.parallel.sequence_shard = "contiguous";
  expect_exact_on_every_mesh(config);
}

TEST_F(StepAccountTest, EqualsTheRealStepWithEveryOption) {
  TrainConfig config = small();
  config.run.dtype = "float32";
  config.model.norm = "layer";
  config.model.activation = "gelu";
  config.model.positions = "learned";
  config.model.bias = true;
  config.model.dropout = 0.1;
  config.model.window = 10;
  config.model.tied_embeddings = false;
  config.parallel.schedule = "gpipe";
  config.parallel.zero = 1;
  config.parallel.sequence_shard = "striped";
  expect_exact_on_every_mesh(config);
}

TEST_F(StepAccountTest, EqualsTheRealStepOfEveryWayAcrossTheSequenceAxis) {
  TrainConfig config = small();
  config.run.dtype = "float32";
  config.model.window = 17;
  const MeshShape shape{.sequence = world().size()};
  for (const std::string& method : methods_on(config, shape)) {
    config.parallel.sequence_method = method;
    expect_exact(config, shape);
  }
}

TEST_F(StepAccountTest, EqualsTheRealStepUnderALimit) {
  TrainConfig config = small();
  const MeshShape shape{.sequence = world().size()};
  const auto account = [&] { return account_step(with_mesh(config, shape), me(shape), kVocabulary); };
  const StepAccount free = account();
  config.run.memory_limit = static_cast<std::int64_t>(free.peak_total);
  expect_exact(config, shape);
  EXPECT_LT(account().reserved, free.reserved);
  config.run.memory_limit -= 1;
  EXPECT_THROW(account(), EnvironmentError);
  MemoryPool::instance().set_limit(0);
}

// A step beside a checkpoint that is being written holds the rank's copy on top, to the byte; no rank's is larger than
// is accounted.
TEST_F(StepAccountTest, ASnapshotComesOnTopOfAStep) {
  if (!device::host_accessible()) GTEST_SKIP() << "the snapshot of a GPU's values is not in the pool";
  if (world().size() > 4) GTEST_SKIP() << "4 ranks have every kind of holder";
  const testing::SharedFolder folder(world());
  MemoryPool& pool = MemoryPool::instance();
  TrainConfig config = small();
  config.run.dtype = "bfloat16";
  config.model.layers = 5;  // with one large matrix more than the last rank, another one writes most
  config.model.feed_forward = 500;
  for (const MeshShape& shape : factorisations(world().size())) {
    config.parallel.zero = shape.data % 2;
    SCOPED_TRACE(shape.str());
    const TrainConfig on_mesh = with_mesh(config, shape);
    const StepAccount account = account_step(on_mesh, me(shape), kVocabulary);
    Session session(on_mesh, world());
    session.allocate(true);
    TrainingStep step(session);
    step.run(0);
    const std::size_t before = pool.total().current;
    CheckpointSave saving(folder.path("a.h5"), session.mesh(), session.store(), &session.optimizer(), {}, true);
    const std::size_t copy = pool.total().current - before;
    pool.reset_peak();
    step.run(1);
    EXPECT_EQ(pool.total().peak, account.peak_total + copy);
    saving.finish();
    const std::size_t snapshot = account_fullest_rank(on_mesh, me(shape).pipeline, kVocabulary).snapshot;
    const Tensor same = Tensor::empty({static_cast<std::int64_t>(snapshot) / 8}, Dtype::int64);
    const auto rounded = static_cast<std::int64_t>(pool.total().current - before);
    const Comm& stage = session.mesh().holders(std::nullopt);
    EXPECT_EQ(stage.all_reduce_value(static_cast<std::int64_t>(copy), Reduce::max), rounded);
  }
}

// Meshes larger than the ranks of this test.
TEST_F(StepAccountTest, TheFullestRankHoldsMostOfItsStage) {
  TrainConfig config = small();
  config.run.dtype = "float32";
  config.model.window = 17;
  if (world().rank() != 0) return;
  for (const MeshShape& shape : {MeshShape{2, 4, 2, 1}, MeshShape{1, 1, 1, 7}, MeshShape{1, 2, 3, 4}}) {
    for (const std::string& method : methods_on(config, shape)) {
      for (const char* shard : {"contiguous", "zigzag", "striped"}) {
        if (method == "window" && std::string(shard) == "striped") continue;
        config.parallel.sequence_method = method;
        config.parallel.sequence_shard = shard;
        const TrainConfig on_mesh = with_mesh(config, shape);
        for (int stage = 0; stage < shape.pipeline; ++stage) {
          const StepAccount fullest = account_fullest_rank(on_mesh, stage, kVocabulary);
          for (int rank = 0; rank < shape.size(); ++rank) {
            const MeshCoordinate at = coordinate_of(shape, rank);
            if (at.pipeline != stage) continue;
            EXPECT_LE(account_step(on_mesh, at, kVocabulary).peak_total, fullest.peak_total)
                << shape.str() << " " << method << " " << shard << " rank " << rank;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace longspan::mesh_test
