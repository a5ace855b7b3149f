#include "train/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan::testing {
namespace {

TEST(FormatDuration, PicksTwoUnits) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(8.4), "8s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(192), "3m12s");
  EXPECT_EQ(format_duration(7500), "2h05m");
  EXPECT_EQ(format_duration(-3), "0s");
}

TEST(FormatCount, PicksALetter) {
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(41200), "41.2k");
  EXPECT_EQ(format_count(1.3e6), "1.3M");
  EXPECT_EQ(format_count(2e9), "2.0G");
}

TEST(ProgressLine, SaysStepLossSpeedMemoryAndTimeLeft) {
  const ProgressLine line{.step = 7,
                          .steps = 1000,
                          .loss = 3.25,
                          .tokens_per_second = 41200,
                          .utilisation = 0.42,
                          .peak_bytes = std::size_t{312} << 20,
                          .seconds_left = 192};
  EXPECT_EQ(line.text(),
            "step    7/1000  loss 3.2500   41.2k tokens/s   42% of matrix rate  peak 312.0 MiB  3m12s left");
}

TEST(ProgressLine, SaysTheAccuracyOfATask) {
  const ProgressLine line{.step = 7, .steps = 9, .loss = 3.25, .accuracy = 0.423, .peak_bytes = 96};
  EXPECT_THAT(line.text(), ::testing::StartsWith("step 7/9  loss 3.2500  accuracy  42.3%       0 tokens/s"));
}

TEST(Reporter, LogsWhatItSays) {
  const ScratchFolder folder;
  Reporter(true, folder.path("log.txt")).say("first");
  Reporter(true, folder.path("log.txt")).say("second");
  EXPECT_EQ(folder.read("log.txt"), "first\nsecond\n");
}

TEST(Reporter, OtherRanksAreSilentAndOpenNothing) {
  const ScratchFolder folder;
  Reporter(false, folder.path("log.txt")).say("first");
  EXPECT_FALSE(std::filesystem::exists(folder.path("log.txt")));
}

TEST(Reporter, UnwritableLogIsNamed) {
  const std::string text = sentence_of<EnvironmentError>([] { Reporter(true, "/nowhere/log.txt"); });
  EXPECT_EQ(text, "cannot write /nowhere/log.txt; check the folder's permissions and the space left");
}

}  // namespace
}  // namespace longspan::testing
