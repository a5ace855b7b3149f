#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/small_model.hpp"
#include "support/expect_error.hpp"
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
    prune_checkpoints(folder.path(), 0, 0);
    EXPECT_TRUE(fs::exists(checkpoint_path(folder.path(), 30)));
    EXPECT_FALSE(fs::exists(folder.path("checkpoints/step_00000040.h5.tmp")));
    prune_checkpoints(folder.path(), 2, 0);
    EXPECT_FALSE(fs::exists(checkpoint_path(folder.path(), 30)));
    EXPECT_TRUE(fs::exists(checkpoint_path(folder.path(), 10)));
    EXPECT_TRUE(fs::exists(checkpoint_path(folder.path(), 20)));
    EXPECT_TRUE(fs::exists(folder.path("checkpoints/notes.txt")));
  }
}

TEST_F(CheckpointFiles, MilestonesStay) {
  for (const int step : {10, 20, 30, 40}) save(step, 50 - step);
  if (world().rank() == 0) {
    prune_checkpoints(folder.path(), 1, 20);
    EXPECT_EQ(list_checkpoints(folder.path()),
              (std::vector{checkpoint_path(folder.path(), 40), checkpoint_path(folder.path(), 20)}));
  }
}

TEST_F(CheckpointFiles, ADamagedNewestGivesWayToTheOneBefore) {
  EXPECT_EQ(find_resume_point(folder.path(), world()).file, "");
  save(10, 30);
  save(20, 20);
  save(30, 10);
  const auto damage = [&](std::int64_t step, std::size_t at) {
    std::string content = folder.read("checkpoints/" + fs::path(checkpoint_path("", step)).filename().string());
    content[at == 0 ? content.size() - 60 : at] ^= 4;
    folder.write("checkpoints/" + fs::path(checkpoint_path("", step)).filename().string(), content);
    if (world().rank() == 0) {
      fs::last_write_time(checkpoint_path(folder.path(), step),
                          fs::file_time_type::clock::now() - std::chrono::seconds(40 - step));
    }
    world().barrier();
  };
  EXPECT_EQ(find_resume_point(folder.path(), world()).file, checkpoint_path(folder.path(), 30));
  const auto begin_of = [&](std::int64_t step) {
    const std::string path = checkpoint_path(folder.path(), step);
    const hdf5::Handle file = hdf5::open_file(path, "checkpoint");
    return static_cast<std::size_t>(H5Dget_offset(hdf5::open_dataset(file, "model/norm.weight", path)));
  };
  damage(30, begin_of(30));
  const ResumePoint point = find_resume_point(folder.path(), world());
  EXPECT_EQ(point.file, checkpoint_path(folder.path(), 20));
  EXPECT_THAT(point.warnings,
              ::testing::ElementsAre(::testing::HasSubstr("the checksum of /model/norm.weight is wrong")));
  damage(20, begin_of(20));
  damage(10, begin_of(10));
  EXPECT_THAT(testing::sentence_of([&] { find_resume_point(folder.path(), world()); }),
              ::testing::HasSubstr("no checkpoint in " + folder.path("checkpoints") + " is whole"));
}

}  // namespace
}  // namespace longspan
