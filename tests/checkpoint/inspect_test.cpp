#include "checkpoint/inspect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/small_model.hpp"
#include "data/token_store.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"
#include "support/shared_folder.hpp"
#include "support/world.hpp"

namespace longspan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::ScratchFolder;
using testing::sentence_of;
using testing::SharedFolder;
using testing::SmallModel;

// Where a dataset with contiguous storage begins in its file.
std::size_t offset_of(const std::string& path, const std::string& dataset) {
  const hdf5::Handle file = hdf5::open_file(path, "file");
  return H5Dget_offset(hdf5::open_dataset(file, dataset, path));
}

TEST(Inspect, ACheckpointShowsItsTensorsAndItsDamage) {
  const SharedFolder folder(world());
  const Mesh mesh(world(), {.data = world().size()});
  const SmallModel model(mesh, Dtype::bfloat16, 7, 1);
  const std::string path = folder.path("a.h5");
  save_checkpoint(path, mesh, model.store, model.optimizer,
                  {.step = 42, .tokenizer = "byte", .provenance = {.config = "[run]\nsteps = 50\n"}});
  const Inspection good = inspect(path, true);
  EXPECT_THAT(good.damaged, IsEmpty());
  EXPECT_THAT(good.report, AllOf(HasSubstr("a.h5: checkpoint"), HasSubstr("42"), HasSubstr("    steps = 50\n"),
                                 HasSubstr("/model/blocks.0.query.weight"), HasSubstr("[6, 6]"), HasSubstr("bfloat16"),
                                 HasSubstr("checksum holds"), Not(HasSubstr("WRONG"))));
  std::string bad = folder.read("a.h5");
  bad[offset_of(path, "/model/norm.weight")] ^= 1;
  EXPECT_THAT(inspect(folder.write("bad.h5", bad), true).damaged, ElementsAre("/model/norm.weight"));
  bad = folder.read("a.h5");
  bad[bad.find("steps = 50")] ^= 1;
  EXPECT_THAT(sentence_of([&] { inspect(folder.write("bad.h5", bad), true); }), HasSubstr("its description is wrong"));
  bad = folder.read("a.h5");
  bad.pop_back();
  EXPECT_THAT(inspect(folder.write("bad.h5", bad), true).damaged, ElementsAre("the description"));
}

TEST(Inspect, ATokenStoreIsChecked) {
  const ScratchFolder folder;
  const std::string path = folder.path("corpus.h5");
  TokenStoreWriter writer(path, {.tokenizer = "byte", .source = "here", .vocabulary = 257, .end_of_document = 256});
  writer.append({104, 105});
  writer.end_document();
  writer.finish();
  const Inspection inspection = inspect(path, true);
  EXPECT_THAT(inspection.damaged, IsEmpty());
  EXPECT_THAT(inspection.report, AllOf(HasSubstr("token store"), HasSubstr("/tokens"), HasSubstr("checksum holds")));
}

TEST(Inspect, OtherFilesAreRefused) {
  const ScratchFolder folder;
  const std::string path = folder.path("other.h5");
  hdf5::create_file(path).close(path);
  EXPECT_THAT(sentence_of([&] { inspect(path, true); }), HasSubstr("no checkpoint, metrics or token store"));
  EXPECT_THAT(sentence_of([&] { inspect(folder.write("a.txt", "text"), true); }), HasSubstr("no HDF5 file"));
  EXPECT_THAT(sentence_of([&] { inspect(folder.path("none"), true); }), HasSubstr("does not exist"));
}

}  // namespace
}  // namespace longspan
