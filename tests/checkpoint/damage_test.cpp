// Files that are damaged or cannot be written: all ranks say the same, nobody waits, nothing is left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <iostream>
#include <random>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/small_model.hpp"
#include "data/footer.hpp"
#include "support/expect_error.hpp"
#include "support/mutations.hpp"
#include "support/shared_folder.hpp"
#include "support/world.hpp"

namespace longspan {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::sentence_of;
using testing::SharedFolder;
using testing::SmallModel;

const TrainState kState = {.step = 1, .tokenizer = "byte", .provenance = {.config = "[run]\n"}};

// The error of a call that all ranks make, which must be the same on all.
template <class Thrown, class Body>
std::string common_sentence(const Body& body) {
  const std::string own = sentence_of<Thrown>(body);
  EXPECT_EQ(own, world().broadcast_text(own, 0));
  return own;
}

class Damage : public ::testing::Test {
 protected:
  Damage() : mesh(world(), {.pipeline = world().size()}), model(mesh, Dtype::float32, 7, 1), folder(world()) {
    save_checkpoint(folder.path("good.h5"), mesh, model.store, model.optimizer, kState);
    content = folder.read("good.h5");
  }
  std::string loading(const std::string& path) {
    return common_sentence<UserError>([&] { load_checkpoint(path, mesh, model.store, &model.optimizer); });
  }
  // Position of an element's bytes in the file.
  std::size_t find(const std::string& dataset) const {
    const std::string path = folder.path("good.h5");
    const hdf5::Handle file = hdf5::open_file(path, "checkpoint");
    return H5Dget_offset(hdf5::open_dataset(file, dataset, path));
  }

  Mesh mesh;
  SmallModel model;
  SharedFolder folder;
  std::string content;
};

TEST_F(Damage, AFlippedBitInAnyTensorIsFound) {
  for (const std::string name : {"/model/blocks.2.query.weight", "/optimizer/v/embedding.weight"}) {
    std::string bad = content;
    bad[find(name) + 5] ^= 0x10;
    const std::string path = folder.write("bad.h5", bad);
    EXPECT_EQ(loading(path),
              "the checkpoint " + path + " is damaged: the checksum of " + name + " is wrong; use another one");
  }
}

// Whole file, any bit: found, or what is loaded is what was saved. No crash.
class AnyDamage : public Damage {
 protected:
  void SetUp() override {
    if (world().size() > 1) GTEST_SKIP() << "one rank is enough to read damaged files";
  }
  std::vector<double> values(const SmallModel& of) const {
    std::vector<double> all;
    std::vector<Tensor> arrays = {of.store.values()};
    for (const auto& state : of.optimizer.states()) arrays.push_back(state.flat);
    for (const Tensor& array : arrays) {
      const Tensor wide = Tensor::empty(array.shape(), Dtype::float64);
      ops::copy(array, wide);
      const auto host = wide.to_host<double>();
      all.insert(all.end(), host.begin(), host.end());
    }
    return all;
  }
  // True where the damage was noticed.
  bool noticed(const std::string& bad, SmallModel& into) {
    const std::string path = folder.write("bad.h5", bad);
    try {
      const TrainState state = load_checkpoint(path, mesh, into.store, &into.optimizer);
      EXPECT_EQ(state.step, kState.step);
      EXPECT_EQ(state.tokenizer, kState.tokenizer);
      EXPECT_EQ(state.provenance.config, kState.provenance.config);
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(path));
      return true;
    }
    EXPECT_EQ(values(into), values(model));
    EXPECT_EQ(into.optimizer.steps_done(), model.optimizer.steps_done());
    return false;
  }
};

TEST_F(AnyDamage, OfAThousandFlippedBitsEachIsFoundOrHarmless) {
  std::mt19937_64 random(5);
  int harmless = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::size_t at = random() % content.size(), bit = random() % 8;
    SCOPED_TRACE(::testing::Message() << "byte " << at << " of " << content.size() << ", bit " << bit);
    std::string bad = content;
    bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
    SmallModel into(mesh, Dtype::float32, 8, 0);
    harmless += noticed(bad, into) ? 0 : 1;
  }
  RecordProperty("harmless", harmless);
  std::cout << harmless << " of 1000 flipped bits changed nothing that is read\n";
}

// Pieces cut out, doubled, moved and overwritten.
TEST_F(AnyDamage, MutationsAreFoundOrHarmless) {
  testing::Mutations mutations(8);
  for (int i = testing::mutation_count(300); i > 0; --i) {
    SmallModel into(mesh, Dtype::float32, 8, 0);
    noticed(mutations.of(content), into);
  }
}

TEST_F(AnyDamage, TwoHundredLengthsAreAllTooShort) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 200; ++i) {
    const std::size_t length = i < 8 ? content.size() - 1 - static_cast<std::size_t>(i) : random() % content.size();
    SmallModel into(mesh, Dtype::float32, 8, 0);
    EXPECT_TRUE(noticed(content.substr(0, length), into)) << length << " of " << content.size();
  }
}

TEST_F(Damage, AFlippedBitInTheConfigurationIsFound) {
  std::size_t at = content.find("[run]\n");
  EXPECT_NE(at, std::string::npos);
  for (; at != std::string::npos; at = content.find("[run]\n", at + 1)) {
    std::string bad = content;
    bad[at + 1] ^= 0x10;
    EXPECT_THAT(loading(folder.write("bad.h5", bad)), AnyOf(HasSubstr("is damaged"), HasSubstr("is no whole")));
  }
}

TEST_F(Damage, ACutFileIsFoundAtEveryLength) {
  for (const double part : {0.1, 0.5, 0.9, 0.999}) {
    const auto length = static_cast<std::size_t>(part * static_cast<double>(content.size()));
    EXPECT_THAT(loading(folder.write("cut.h5", content.substr(0, length))), HasSubstr("is no whole checkpoint"));
  }
  EXPECT_THAT(loading(folder.write("cut.h5", "")), HasSubstr("no HDF5 file"));
}

TEST_F(Damage, WhatIsNoCheckpointIsSaid) {
  EXPECT_THAT(loading(folder.write("text.h5", "some text, not a checkpoint")), HasSubstr("no HDF5 file"));
  EXPECT_THAT(loading(folder.path("none.h5")), HasSubstr("does not exist"));
  EXPECT_THAT(loading(folder.path()), HasSubstr("is a folder"));
  const std::string path = folder.path("other.h5");
  if (world().rank() == 0) hdf5::create_file(path).close(path);
  world().barrier();
  EXPECT_THAT(loading(path), HasSubstr("is no whole checkpoint"));
}

TEST_F(Damage, AnotherFormatVersionIsRefused) {
  const std::string path = folder.write("new.h5", content);
  if (world().rank() == 0) {
    const hdf5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, hdf5::file_access()), H5Fclose);
    ASSERT_GE(H5Adelete(file, "format_version"), 0);
    hdf5::write_integer(file, "format_version", kCheckpointVersion + 1, path);
  }
  if (world().rank() == 0) append_footer(path, {});
  world().barrier();
  EXPECT_THAT(loading(path), HasSubstr("has format version 3, but this program reads version 2"));
}

// Files that only another program writes: the footer is right, a dataset is not what its neighbours say.
class Forged : public Damage {
 protected:
  Forged() {
    path = folder.write("forged.h5", content);
    if (world().rank() == 0) {
      file = hdf5::Handle(H5Fopen(path.c_str(), H5F_ACC_RDWR, hdf5::file_access()), H5Fclose);
    }
  }
  // A dataset in place of one of the same name, on rank 0.
  void replace(const std::string& name, const std::vector<std::int64_t>& dims, hid_t type, const std::string& dtype) {
    if (!file.open()) return;
    if (hdf5::has_link(file, name)) H5Ldelete(file, name.c_str(), H5P_DEFAULT);
    hdf5::write_text(create_dataset(file, name, dims, type, path), "dtype", dtype, path);
  }
  // The error of a load that passes the checksums over, as a forger could have made them right.
  std::string loading_unverified() {
    file = {};
    if (world().rank() == 0) append_footer(path, {});
    world().barrier();
    return common_sentence<UserError>([&] { load_checkpoint(path, mesh, model.store, &model.optimizer, true); });
  }

  std::string path;
  hdf5::Handle file;
};

TEST_F(Forged, MasterWeightsOfAnotherShapeAreRefused) {
  if (file.open()) H5Gcreate2(file, "optimizer/master", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  replace("optimizer/master/embedding.weight", {3}, H5T_IEEE_F32LE, "float32");
  EXPECT_THAT(loading_unverified(),
              HasSubstr("holds another model: embedding.weight is [3], this configuration wants"));
}

TEST_F(Forged, ADatasetOfAnotherTypeThanItsDtypeIsRefused) {
  replace("model/norm.weight", {6}, H5T_STD_U16LE, "float64");
  EXPECT_THAT(loading_unverified(), HasSubstr("says that it is float64, but holds uint16"));
}

TEST_F(Forged, SeveralTextsAreNoText) {
  if (file.open()) {
    const hdf5::Handle state(H5Gopen2(file, "state", H5P_DEFAULT), H5Gclose), type(H5Tcopy(H5T_C_S1), H5Tclose);
    const hsize_t count = 64;
    const hdf5::Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
    H5Tset_size(type, H5T_VARIABLE);
    H5Adelete(state, "tokenizer");
    const std::vector<const char*> texts(count, "byte");
    const hdf5::Handle attribute(H5Acreate2(state, "tokenizer", type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    H5Awrite(attribute, type, texts.data());
  }
  EXPECT_THAT(loading_unverified(), HasSubstr("attribute 'tokenizer' of " + path + " is no text"));
}

TEST_F(Damage, OfABrokenLoadNothingReachesTheModel) {
  std::string bad = content;
  bad[find("/optimizer/v/norm.weight")] ^= 0x10;
  const Tensor before = Tensor::empty(model.store.values().shape(), Dtype::float32);
  ops::copy(model.store.values(), before);
  loading(folder.write("bad.h5", bad));
  EXPECT_EQ(model.store.values().to_host<float>(), before.to_host<float>());
}

class FailedSave : public Damage {
 protected:
  std::string saving(const std::string& path) {
    return common_sentence<EnvironmentError>(
        [&] { save_checkpoint(path, mesh, model.store, model.optimizer, kState); });
  }
  std::size_t files() const {
    const std::filesystem::directory_iterator entries(folder.path());
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  }
};

TEST_F(FailedSave, AMissingFolderIsNamed) {
  const std::string path = folder.path("none/a.h5");
  EXPECT_EQ(saving(path), "cannot write " + path + ": there is no folder " + folder.path("none"));
}

TEST_F(FailedSave, AFolderThatCannotBeWrittenIsNamed) { EXPECT_THAT(saving("/proc/a.h5"), HasSubstr("/proc/a.h5")); }

// A limit on the size of files stands for a full disk; the old checkpoint of this name must survive.
TEST_F(FailedSave, AFullDiskLeavesTheOldFileAndNothingElse) {
  const std::size_t before = files();
  const auto previous = signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{3000}, static_cast<rlim_t>(content.size() - 100)}) {
    const rlimit small{limit, old.rlim_max};
    if (world().rank() == 0) setrlimit(RLIMIT_FSIZE, &small);
    const std::string sentence = saving(folder.path("good.h5"));
    if (world().rank() == 0) setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_THAT(sentence, HasSubstr("space")) << limit;
    EXPECT_EQ(files(), before);
  }
  signal(SIGXFSZ, previous);
  EXPECT_TRUE(folder.read("good.h5") == content);
  load_checkpoint(folder.path("good.h5"), mesh, model.store, &model.optimizer);
}

}  // namespace
}  // namespace longspan
