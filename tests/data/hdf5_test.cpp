#include "data/hdf5.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using hdf5::Handle;
using ::testing::HasSubstr;
using testing::ScratchFolder;
using testing::sentence_of;

TEST(Hdf5Attributes, ReadBackAndNameWhatIsMissing) {
  const ScratchFolder folder;
  const std::string path = folder.path("a.h5");
  const Handle file = hdf5::create_file(path);
  hdf5::write_text(file, "text", "a \xc3\xa9 b", path);
  hdf5::write_text(file, "empty", "", path);
  hdf5::write_integer(file, "integer", std::numeric_limits<std::int64_t>::min(), path);
  hdf5::write_real(file, "real", 0.1, path);
  hdf5::write_bytes(file, "bytes", std::string("\0\xff\0", 3), path);
  EXPECT_EQ(hdf5::read_text(file, "text", path), "a \xc3\xa9 b");
  EXPECT_EQ(hdf5::read_text(file, "empty", path), "");
  EXPECT_EQ(hdf5::read_integer(file, "integer", path), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(hdf5::read_real(file, "real", path), 0.1);
  EXPECT_EQ(hdf5::read_bytes(file, "bytes", path), std::string("\0\xff\0", 3));
  EXPECT_EQ(sentence_of([&] { hdf5::read_real(file, "none", path); }), path + " has no attribute 'none'");
  EXPECT_THAT(sentence_of([&] { hdf5::read_integer(file, "text", path); }), HasSubstr("is no number"));
  EXPECT_THAT(sentence_of([&] { hdf5::read_text(file, "real", path); }), HasSubstr("is no text"));
  EXPECT_THAT(sentence_of([&] { hdf5::read_bytes(file, "text", path); }), HasSubstr("is no array of bytes"));
}

TEST(Hdf5Attributes, TextsOfFixedLengthAreReadToo) {
  const ScratchFolder folder;
  const Handle file = hdf5::create_file(folder.path("a.h5"));
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose), space(H5Screate(H5S_SCALAR), H5Sclose);
  H5Tset_size(type, 8);
  const Handle attribute(H5Acreate2(file, "fixed", type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  H5Awrite(attribute, type, "byte\0\0\0");
  EXPECT_EQ(hdf5::read_text(file, "fixed", "a.h5"), "byte");
}

}  // namespace
}  // namespace longspan
