#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "checkpoint/catalogue.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/small_model.hpp"
#include "support/scratch_folder.hpp"
#include "support/shared_folder.hpp"
#include "support/world.hpp"

namespace longspan {
namespace {

using testing::SharedFolder;
using testing::SmallModel;

namespace fs = std::filesystem;

class CheckpointFiles : public ::testing::Test {
 protected:
  CheckpointFiles() : mesh(world(), {.data = world().size()}), model(mesh, Dtype::float32, 7, 0), folder(world()) {
    if (world().rank() == 0) fs::create_directories(folder.path("checkpoints"));
  }
  ~CheckpointFiles() override { world().barrier(); }
  // A checkpoint that was written `age` seconds ago.
  void save(std::int64_t step, int age) {
    const std::string path = checkpoint_path(folder.path(), step);
    save_checkpoint(path, mesh, model.store, model.optimizer, {.step = step});
    if (world().rank() == 0) fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::seconds(age));
    world().barrier();
  }
  Mesh mesh;
  SmallModel model;
  SharedFolder folder;
};

TEST_F(CheckpointFiles, NamesSortBySteps) {
  EXPECT_EQ(checkpoint_path("runs/a", 100), "runs/a/checkpoints/step_00000100.h5");
}

TEST_F(CheckpointFiles, TheNewestWholeOneIsFound) {
  EXPECT_EQ(latest_checkpoint(folder.path("none")), "");
  EXPECT_EQ(latest_checkpoint(folder.path()), "");
  world().barrier();
  save(10, 30);
  save(20, 20);
  folder.write("checkpoints/step_00000030.h5", "cut short");
  folder.write("checkpoints/step_00000040.h5.tmp", "");
  EXPECT_EQ(latest_checkpoint(folder.path()), checkpoint_path(folder.path(), 20));
  world().barrier();
  save(5, 0);  // of a run that was started again
  EXPECT_EQ(latest_checkpoint(folder.path()), checkpoint_path(folder.path(), 5));
}

TEST_F(CheckpointFiles, PruneKeepsTheNewest) {
  save(30, 40);
  save(10, 30);
  save(20, 20);
  folder.write("checkpoints/step_00000040.h5.tmp", "");
  folder.write("checkpoints/notes.txt", "mine");
  if (world().rank() == 0) {
    prune_checkpoints(folder.path(), 0);
    EXPECT_TRUE(fs::exists(checkpoint_path(folder.path(), 30)));
    EXPECT_FALSE(fs::exists(folder.path("checkpoints/step_00000040.h5.tmp")));
    prune_checkpoints(folder.path(), 2);
    EXPECT_FALSE(fs::exists(checkpoint_path(folder.path(), 30)));
    EXPECT_TRUE(fs::exists(checkpoint_path(folder.path(), 10)));
    EXPECT_TRUE(fs::exists(checkpoint_path(folder.path(), 20)));
    EXPECT_TRUE(fs::exists(folder.path("checkpoints/notes.txt")));
  }
}

TEST(PlacePart, PutsAMiddleDimensionInPlace) {
  const Shape shape{2, 5, 3};
  std::vector<std::uint16_t> logical(30, 0), part(12);
  for (std::size_t i = 0; i < part.size(); ++i) part[i] = static_cast<std::uint16_t>(100 + i);
  place_part(reinterpret_cast<const std::byte*>(part.data()), {{.first = 1, .count = 2}}, 1, shape, 2,
             reinterpret_cast<std::byte*>(logical.data()));
  for (int a = 0; a < 2; ++a) {
    for (int b = 0; b < 5; ++b) {
      for (int c = 0; c < 3; ++c) {
        const int expected = b == 1 || b == 2 ? 100 + (a * 2 + b - 1) * 3 + c : 0;
        EXPECT_EQ(logical[static_cast<std::size_t>((a * 5 + b) * 3 + c)], expected);
      }
    }
  }
}

TEST(PlacePart, PutsSeveralRunsInPlace) {
  const Shape shape{2, 7};
  std::vector<std::uint16_t> logical(14, 0), part = {1, 2, 3, 4, 11, 12, 13, 14};
  const std::vector<PositionRun> runs = {{.row = 0, .first = 0, .count = 2},
                                         {.row = 2, .first = 4, .count = 2, .stride = 2}};
  place_part(reinterpret_cast<const std::byte*>(part.data()), runs, 1, shape, 2,
             reinterpret_cast<std::byte*>(logical.data()));
  EXPECT_EQ(logical, (std::vector<std::uint16_t>{1, 2, 0, 0, 3, 0, 4, 11, 12, 0, 0, 13, 0, 14}));
}

}  // namespace
}  // namespace longspan
