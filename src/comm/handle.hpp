// The MPI communicator behind a Comm, for comm/ itself and for callers that must hand it to parallel HDF5.
#pragma once

#include <mpi.h>

#include "comm/comm.hpp"
#include "comm/nccl.hpp"

namespace longspan {

// Owns the communicator. Errors of calls on it are returned, and thrown by check_mpi.
struct Comm::Handle {
  explicit Handle(MPI_Comm owned);
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  MPI_Comm comm;
  std::shared_ptr<nccl::Group> nccl;  // null until NCCL is used
  int own_tag;                        // the largest tag, kept for the messages of our own collectives
};

inline MPI_Comm native(const Comm& comm) { return comm.handle()->comm; }

}  // namespace longspan
