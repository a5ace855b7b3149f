#include "train/run_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/expect_error.hpp"
#include "support/shared_folder.hpp"
#include "support/world.hpp"

namespace longspan {
namespace {

using ::testing::HasSubstr;
using testing::sentence_of;
using testing::SharedFolder;

TEST(RunFolder, HoldsTheConfigurationAndKeepsWhatWasThere) {
  const SharedFolder folder(world());
  RunFolder(world(), folder.path(), "a").write_config(world(), "[run]\nsteps = 1\n");
  folder.write("a/log.txt", "before\n");
  const RunFolder run(world(), folder.path(), "a");
  EXPECT_EQ(folder.read("a/config.cfg"), "[run]\nsteps = 1\n");
  run.write_config(world(), "[run]\nsteps = 2\n");
  EXPECT_EQ(run.path(), folder.path("a"));
  EXPECT_EQ(folder.read("a/config.cfg"), "[run]\nsteps = 2\n");
  EXPECT_EQ(folder.read("a/log.txt"), "before\n");
  EXPECT_TRUE(std::filesystem::is_directory(folder.path("a/checkpoints")));
}

TEST(RunFolder, AllRanksSayWhyItCannotBeMade) {
  const SharedFolder folder(world());
  folder.write("file", "");
  const std::string sentence = sentence_of<EnvironmentError>([&] { RunFolder(world(), folder.path("file"), "a"); });
  EXPECT_THAT(sentence, HasSubstr("cannot make the folder " + folder.path("file/a")));
  EXPECT_THAT(sentence, HasSubstr("run.directory"));
}

}  // namespace
}  // namespace longspan
