#include "comm/session.hpp"

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/timer.hpp"
#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"
#include "comm/patience.hpp"
#include "comm/runtime.hpp"
#include "comm/waiting.hpp"

namespace longspan {
namespace {

bool among_cores = true;

int cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) {
  int provided = 0;
  MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
            "finding the ranks of this machine", "world");
  MPI_Comm_rank(node, &local_rank_);
  MPI_Comm_size(node, &local_size_);
  MPI_Comm_free(&node);
  set_ranks_share_cores(local_size_ > cores());
  among_cores = local_rank_ < cores();
}

MpiSession::~MpiSession() {
  const std::string all = "world";
  const WaitScope wait(all, "MPI_Finalize");
  MPI_Finalize();
}

Comm MpiSession::group_of_all(const std::string& name) const {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "duplicating the communicator", name);
  return Comm(name, std::make_shared<Comm::Handle>(copy));
}

bool one_of_the_cores() { return among_cores; }

int MpiSession::default_threads() const {
  return std::getenv("OMP_NUM_THREADS") != nullptr ? 0 : std::max(1, cores() / local_size_);
}

void abort_all(int code) {
  MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

bool poll(double seconds, const std::function<bool()>& done) {
  const Timer timer;
  while (!done()) {
    if (timer.seconds() > seconds) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace longspan
