#include "train/result_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "data/hdf5.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ScratchFolder;

ResultTable small_table() {
  ResultTable table;
  table.add({{"method", "1", "ring"}, {"length", "token", std::int64_t{1024}}, {"forward", "s", 0.25}});
  table.add({{"method", "1", "tokenring"}, {"length", "token", std::int64_t{16}}, {"forward", "s", 2.0}});
  return table;
}

const Provenance kProvenance = {.version = "1",
                                .git_hash = "abc",
                                .config = "[bench]\n",
                                .mesh = "2 ranks",
                                .host = "node7",
                                .time = "2026-11-24T20:00:00Z"};

template <class T>
std::vector<T> column(hid_t file, const std::string& name, hid_t type) {
  const hdf5::Handle dataset = hdf5::open_dataset(file, "results/" + name, "table");
  const hdf5::Handle space(H5Dget_space(dataset), H5Sclose);
  std::vector<T> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
  EXPECT_GE(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
  return values;
}

TEST(ResultTable, IsAlignedText) {
  EXPECT_EQ(small_table().text(),
            "method     length  forward\n"
            "            token        s\n"
            "ring         1024     0.25\n"
            "tokenring      16        2\n");
}

TEST(ResultTable, IsWrittenAsColumnsWithUnits) {
  const ScratchFolder folder;
  small_table().write(folder.path("t.h5"), kProvenance);
  const hdf5::Handle file = hdf5::open_file(folder.path("t.h5"), "result file");
  EXPECT_EQ(hdf5::read_text(file, "host", "t"), "node7");
  EXPECT_EQ(hdf5::read_integer(file, "format_version", "t"), 1);
  EXPECT_THAT(column<std::int64_t>(file, "length", H5T_NATIVE_INT64), ElementsAre(1024, 16));
  EXPECT_THAT(column<double>(file, "forward", H5T_NATIVE_DOUBLE), ElementsAre(0.25, 2.0));
  const hdf5::Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(text, H5T_VARIABLE);
  H5Tset_cset(text, H5T_CSET_UTF8);
  const std::vector<char*> names = column<char*>(file, "method", text);
  EXPECT_STREQ(names[0], "ring");
  EXPECT_STREQ(names[1], "tokenring");
  for (char* name : names) H5free_memory(name);
  const hdf5::Handle dataset = hdf5::open_dataset(file, "results/forward", "t");
  EXPECT_EQ(hdf5::read_text(dataset, "unit", "t"), "s");
}

TEST(ResultTable, RefusesRowsOfOtherColumnsOrTypes) {
  ResultTable table = small_table();
  EXPECT_THROW(table.add({{"method", "1", "ring"}}), std::logic_error);
  EXPECT_THROW(table.add({{"method", "1", "ring"}, {"forward", "s", 1.0}, {"length", "token", std::int64_t{1}}}),
               std::logic_error);
  EXPECT_THROW(table.add({{"method", "1", "ring"}, {"length", "token", 1.0}, {"forward", "s", 1.0}}), std::logic_error);
}

TEST(ResultTable, LeavesNothingWhereItCannotBeWritten) {
  const ScratchFolder folder;
  const std::string path = folder.path("none/t.h5");
  EXPECT_THAT(testing::sentence_of<EnvironmentError>([&] { small_table().write(path, kProvenance); }), HasSubstr(path));
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace longspan
