// The main of every test executable: MPI, the device, GoogleTest. Rank 0 reports; after each test all ranks agree on
// whether it passed, and what failed on other ranks is a failure of rank 0's test too.
#include <gtest/gtest.h>
#include <mpi.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "comm/handle.hpp"
#include "comm/session.hpp"
#include "support/world.hpp"
#include "tensor/device.hpp"
#include "tensor/memory.hpp"

namespace longspan {
namespace {

// A rank that failed may have left a collective that the others still wait in; then they are ended after this time.
constexpr double kSecondsForOthers = 20;

std::optional<Comm> all_ranks;

class AgreeingListener : public testing::EmptyTestEventListener {
 public:
  explicit AgreeingListener(Comm ranks) : ranks_(std::move(ranks)) {}

 private:
  void OnTestStart(const testing::TestInfo&) override { failures_.clear(); }

  void OnTestPartResult(const testing::TestPartResult& part) override {
    if (!part.failed()) return;
    const std::string file = part.file_name() ? part.file_name() : "unknown file";
    failures_ += "\n" + file + ":" + std::to_string(part.line_number()) + ": " + part.message();
  }

  void OnTestEnd(const testing::TestInfo& test) override {
    if (!any_failed(test)) return;
    const std::string own = failures_;
    for (int rank = 1; rank < ranks_.size(); ++rank) {
      const std::string text = ranks_.broadcast_text(own, rank);
      if (ranks_.rank() == 0 && !text.empty()) ADD_FAILURE() << "on rank " << rank << ":" << text;
    }
  }

  bool any_failed(const testing::TestInfo& test) const {
    int failed = failures_.empty() ? 0 : 1;
    MPI_Request agreed = MPI_REQUEST_NULL;
    MPI_Iallreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, native(ranks_), &agreed);
    if (failures_.empty()) {
      MPI_Wait(&agreed, MPI_STATUS_IGNORE);
      return failed != 0;
    }
    const bool came = poll(kSecondsForOthers, [&agreed] {
      int done = 0;
      MPI_Test(&agreed, &done, MPI_STATUS_IGNORE);
      return done != 0;
    });
    if (!came) {
      std::fprintf(stderr, "%s.%s failed on rank %d and the other ranks wait inside the test:%s\n",
                   test.test_suite_name(), test.name(), ranks_.rank(), failures_.c_str());
      std::fflush(stderr);
      abort_all(1);
    }
    return true;
  }

  Comm ranks_;
  std::string failures_;
};

int run_tests(int argc, char** argv) {
  MpiSession session(&argc, &argv);
  DeviceScope device(session.default_threads(), session.local_rank());
  MemoryPool::instance().set_poison(true);
  all_ranks = session.group_of_all("world");
  testing::InitGoogleTest(&argc, argv);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world().rank() != 0) delete listeners.Release(listeners.default_result_printer());
  auto* agreeing = new AgreeingListener(session.group_of_all("tests"));
  listeners.Append(agreeing);
  int code = 1;
  try {
    code = RUN_ALL_TESTS();
    code = static_cast<int>(world().all_reduce_value(static_cast<std::int64_t>(code), Reduce::max));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "rank %d, outside a test: %s\n", world().rank(), e.what());
    abort_all(1);
  }
  delete listeners.Release(agreeing);
  all_ranks.reset();
  return code;
}

}  // namespace

const Comm& world() { return *all_ranks; }

}  // namespace longspan

int main(int argc, char** argv) { return longspan::run_tests(argc, argv); }
