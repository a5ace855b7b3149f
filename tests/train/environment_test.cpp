// What looks wrong about an environment is said, and nothing else is.
#include "train/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two nodes of 8 cores, four bound ranks with two bound threads on each.
Environment sound() {
  Environment e;
  e.machine = {.cores = 8, .allowed_cores = 2};
  e.placement = {.nodes = 2, .ranks_here = 4};
  e.mesh = {.data = 2, .tensor = 4};
  e.threads = 2;
  e.omp_bind = "close";
  e.file_system = "ext4";
  e.fewest_cores = e.most_cores = 8;
  return e;
}

TEST(Environment, ASoundOneIsNotSuspected) { EXPECT_THAT(suspicions(sound()), IsEmpty()); }

TEST(Environment, EachFaultIsNamedAlone) {
  const auto with = [](auto change) {
    Environment e = sound();
    change(e);
    return suspicions(e);
  };
  EXPECT_THAT(with([](Environment& e) { e.threads = 4; }), ElementsAre(HasSubstr("share 8 cores")));
  EXPECT_THAT(with([](Environment& e) { e.machine.allowed_cores = 1; }), ElementsAre(HasSubstr("bound to 1 cores")));
  EXPECT_THAT(with([](Environment& e) { e.machine.allowed_cores = 8; }), ElementsAre(HasSubstr("not bound to cores")));
  EXPECT_THAT(with([](Environment& e) { e.machine.cores = e.fewest_cores = e.most_cores = 16; }),
              ElementsAre(HasSubstr("8 of a node's 16 cores are idle")));
  for (const char* bind : {"", "false"}) {
    EXPECT_THAT(with([&](Environment& e) { e.omp_bind = bind; }), ElementsAre(HasSubstr("OMP_PROC_BIND")));
  }
  EXPECT_THAT(with([](Environment& e) { e.mesh = {.tensor = 8}; }),
              ElementsAre(HasSubstr("the tensor axis of 8 ranks")));
  EXPECT_THAT(with([](Environment& e) { e.fewest_cores = 4; }), ElementsAre(HasSubstr("4 to 8 cores")));
  EXPECT_THAT(with([](Environment& e) { e.file_system = "tmpfs"; }), ElementsAre(HasSubstr("in memory (tmpfs)")));
  EXPECT_THAT(with([](Environment& e) { e.devices = 4; }), ElementsAre(HasSubstr("LONGSPAN_GPU_AWARE_MPI")));
  EXPECT_THAT(with([](Environment& e) {
                e.devices = 2;
                e.mpi.device_pointers = true;
              }),
              ElementsAre(HasSubstr("4 ranks share 2 GPUs")));
}

TEST(Environment, FindsThisMachine) {
  const Machine machine = find_machine();
  EXPECT_GE(machine.cores, 1);
  EXPECT_GE(machine.allowed_cores, 1);
  EXPECT_GT(machine.memory, 1 << 28);
  EXPECT_EQ(file_system("/proc"), "proc");
  EXPECT_EQ(file_system("/proc/self/no/such/folder"), "proc");
  EXPECT_FALSE(file_system("no/such/folder").empty());
}

TEST(Environment, AFileIsMeasuredAndRemoved) {
  const testing::ScratchFolder scratch;
  const std::string folder = scratch.path("disk");
  std::filesystem::create_directories(folder);
  const DiskRates rates = measure_disk(folder, (8 << 20) + 5);
  EXPECT_GT(rates.write, 0);
  EXPECT_GT(rates.read, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
  EXPECT_THROW(measure_disk(folder, 5), EnvironmentError);
}

}  // namespace
}  // namespace longspan
