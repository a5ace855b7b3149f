#include "train/metrics_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "data/hdf5.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ScratchFolder;
using testing::sentence_of;

const Provenance kProvenance = {.version = "1",
                                .git_hash = "abc",
                                .config = "[run]\nsteps = 3\n",
                                .mesh = "1x1x1x1",
                                .host = "node7",
                                .time = "2026-11-24T20:00:00Z"};

TrainRow train_row(std::int64_t step) {
  TrainRow row{.step = step, .loss = 5.0 / (1 + static_cast<double>(step)), .seconds = 0.5 * static_cast<double>(step)};
  row.tokens = 64 * step;
  row.skipped = step % 2;
  row.comm_bytes = {{"data", 3}, {"ends", step}};
  row.comm_seconds = {{"data", 0.25 * static_cast<double>(step)}};
  row.memory_bytes = {{"gradients", 100 + step}};
  return row;
}

// A reader beside the writer, as h5py with swmr=True is.
struct Reader {
  explicit Reader(const std::string& file)
      : path(file), handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, hdf5::file_access()), H5Fclose) {
    EXPECT_TRUE(handle.open());
  }
  template <class T>
  std::vector<T> column(const std::string& name) const {
    const hdf5::Handle dataset = hdf5::open_dataset(handle, name, path);
    const hdf5::Handle space(H5Dget_space(dataset), H5Sclose);
    std::vector<T> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
    const hid_t type = std::is_same_v<T, double> ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
    EXPECT_GE(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
    return values;
  }
  std::string path;
  hdf5::Handle handle;
};

TEST(MetricsWriter, RowsAreReadableWhileTheFileIsWritten) {
  const ScratchFolder folder;
  MetricsWriter writer(folder.path("metrics.h5"), kProvenance);
  for (int step = 0; step < 3; ++step) {
    writer.append_train(train_row(step));
    const Reader reader(folder.path("metrics.h5"));
    EXPECT_EQ(reader.column<std::int64_t>("train/step").size(), step + 1u);
    EXPECT_EQ(reader.column<double>("train/loss").back(), train_row(step).loss);
    EXPECT_EQ(reader.column<std::int64_t>("train/comm_bytes/ends").back(), step);
    EXPECT_EQ(reader.column<std::int64_t>("train/skipped").back(), step % 2);
    EXPECT_EQ(reader.column<double>("train/comm_seconds/data").back(), 0.25 * step);
    EXPECT_EQ(reader.column<double>("train/comm_seconds/ends").back(), 0);
    EXPECT_EQ(reader.column<std::int64_t>("train/memory_bytes/gradients").back(), 100 + step);
  }
  writer.append_validation({.step = 2, .loss = 1.5, .accuracy = 0.75, .bits_per_byte = 2.25});
  const Reader reader(folder.path("metrics.h5"));
  EXPECT_THAT(reader.column<double>("validation/bits_per_byte"), ElementsAre(2.25));
  EXPECT_THAT(reader.column<double>("validation/accuracy"), ElementsAre(0.75));
  EXPECT_EQ(reader.column<double>("train/accuracy").size(), 3u);
}

TEST(MetricsWriter, AttributesSayUnitAndOrigin) {
  const ScratchFolder folder;
  {
    MetricsWriter writer(folder.path("metrics.h5"), kProvenance);
  }
  const Reader reader(folder.path("metrics.h5"));
  EXPECT_EQ(hdf5::read_text(reader.handle, "config", ""), kProvenance.config);
  EXPECT_EQ(hdf5::read_text(reader.handle, "start_time", ""), kProvenance.time);
  EXPECT_EQ(hdf5::read_integer(reader.handle, "format_version", ""), 1);
  EXPECT_EQ(hdf5::read_text(hdf5::open_dataset(reader.handle, "train/tokens", ""), "unit", ""), "token");
}

TEST(MetricsWriter, ResumeDropsLaterRowsAndGoesOn) {
  const ScratchFolder folder;
  const std::string path = folder.path("metrics.h5");
  {
    MetricsWriter writer(path, kProvenance);
    for (int step = 1; step <= 600; ++step) writer.append_train(train_row(step));
    for (const int step : {250, 500, 600}) writer.append_validation({.step = step, .loss = 1});
  }
  MetricsWriter writer(path, kProvenance, 500);
  EXPECT_EQ(writer.seconds_before(), 250);
  writer.append_train(train_row(501));
  const Reader reader(path);
  const auto steps = reader.column<std::int64_t>("train/step");
  ASSERT_EQ(steps.size(), 501u);
  for (std::size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i], static_cast<std::int64_t>(i) + 1);
  EXPECT_EQ(reader.column<double>("train/loss")[499], train_row(500).loss);
  EXPECT_EQ(reader.column<std::int64_t>("train/tokens")[500], train_row(501).tokens);
  EXPECT_THAT(reader.column<std::int64_t>("validation/step"), ElementsAre(250, 500));
}

// Of a version that did not have them yet.
TEST(MetricsWriter, ColumnsThatAnOldFileLacksAreZero) {
  const ScratchFolder folder;
  const std::string path = folder.path("metrics.h5");
  MetricsWriter(path, kProvenance).append_train(train_row(1));
  {
    const hdf5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, hdf5::file_access()), H5Fclose);
    for (const char* name : {"train/skipped", "train/memory_bytes"}) {
      ASSERT_GE(H5Ldelete(file, name, H5P_DEFAULT), 0);
    }
  }
  MetricsWriter(path, kProvenance, 1).append_train(train_row(2));
  const Reader reader(path);
  EXPECT_THAT(reader.column<std::int64_t>("train/step"), ElementsAre(1, 2));
  EXPECT_THAT(reader.column<std::int64_t>("train/skipped"), ElementsAre(0, 0));
  EXPECT_THAT(reader.column<std::int64_t>("train/memory_bytes/gradients"), ElementsAre(0, 102));
  EXPECT_THAT(reader.column<std::int64_t>("train/tokens"), ElementsAre(64, 128));
}

TEST(MetricsWriter, AKilledRunLeavesItsRowsAndIsContinued) {
  const ScratchFolder folder;
  const std::string path = folder.path("metrics.h5");
  const pid_t child = fork();
  if (child == 0) {
    MetricsWriter writer(path, kProvenance);
    for (int step = 1; step <= 10; ++step) writer.append_train(train_row(step));
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(Reader(path).column<double>("train/loss").size(), 10u);
  MetricsWriter writer(path, kProvenance, 7);
  writer.append_train(train_row(8));
  EXPECT_THAT(Reader(path).column<std::int64_t>("train/step"), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

// A limit on the size of files stands for a full disk.
TEST(MetricsWriter, RowsWaitWhileTheDiskIsFull) {
  const ScratchFolder folder;
  const std::string path = folder.path("metrics.h5");
  const auto previous = signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  MetricsWriter writer(path, kProvenance);
  std::int64_t step = 0;
  const auto append = [&](std::int64_t count) {
    for (const std::int64_t end = step + count; step < end;) {
      writer.append_train(train_row(++step));
      if (step % 100 == 0) writer.append_validation({.step = step, .loss = 1});
    }
  };
  append(250);
  for (const rlim_t spare : {0, 700, 5000, 20000}) {
    struct stat info{};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    const rlimit small{static_cast<rlim_t>(info.st_size) + spare, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    append(600);
    EXPECT_FALSE(writer.problem().empty());
    EXPECT_GT(writer.waiting_rows(), 0u);
    {
      const Reader reader(path);  // the file on the disk stays whole
      const auto steps = reader.column<std::int64_t>("train/step");
      EXPECT_LT(steps.size(), static_cast<std::size_t>(step));
      for (std::size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i], static_cast<std::int64_t>(i) + 1);
      const auto losses = reader.column<double>("train/loss");
      for (std::size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(losses[i], train_row(steps[i]).loss);
    }
    setrlimit(RLIMIT_FSIZE, &old);
    writer.finish();
    EXPECT_EQ(writer.problem(), "");
    EXPECT_EQ(writer.waiting_rows(), 0u);
    append(10);
    const Reader reader(path);
    const auto steps = reader.column<std::int64_t>("train/step");
    ASSERT_EQ(steps.size(), static_cast<std::size_t>(step));
    for (std::size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i], static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(reader.column<double>("train/loss").back(), train_row(step).loss);
    EXPECT_EQ(reader.column<std::int64_t>("validation/step").size(), static_cast<std::size_t>(step / 100));
  }
  signal(SIGXFSZ, previous);
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(MetricsWriter, AFreshRunReplacesTheFile) {
  const ScratchFolder folder;
  const std::string path = folder.path("metrics.h5");
  {
    MetricsWriter(path, kProvenance).append_train(train_row(0));
  }
  MetricsWriter writer(path, kProvenance);
  EXPECT_TRUE(Reader(path).column<double>("train/loss").empty());
}

TEST(MetricsWriter, WhatCannotBeContinuedOrWrittenIsAnError) {
  const ScratchFolder folder;
  const std::string path = folder.write("metrics.h5", "no HDF5 file");
  EXPECT_THAT(sentence_of([&] { MetricsWriter(path, kProvenance, 3); }), HasSubstr("move " + path + " away"));
  EXPECT_THAT(sentence_of<EnvironmentError>([&] { MetricsWriter(folder.path("none/metrics.h5"), kProvenance); }),
              HasSubstr("none/metrics.h5"));
}

}  // namespace
}  // namespace longspan
