#include "comm/session.hpp"

#include <mpi.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/timer.hpp"
#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"

namespace longspan {

MpiSession::MpiSession(int* argc, char*** argv) {
  int provided = 0;
  MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
}

MpiSession::~MpiSession() { MPI_Finalize(); }

Comm MpiSession::group_of_all(const std::string& name) const {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "duplicating the communicator", name);
  return Comm(name, std::make_shared<Comm::Handle>(copy));
}

int MpiSession::local_rank() const {
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
            "finding the ranks of this machine", "world");
  return Comm("node", std::make_shared<Comm::Handle>(node)).rank();
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
