// What the MPI library says of itself and of where its ranks run.
#pragma once

#include <string>

#include "comm/comm.hpp"

namespace longspan {

struct MpiFacts {
  std::string library;           // "Open MPI v5.0.7, ..."
  std::string standard;          // "3.1"
  std::string thread_level;      // "funneled"
  std::string transports;        // Open MPI's pml, mtl and btl where they are set; empty: the library chooses
  bool device_pointers = false;  // messages go from device memory without a copy through the host
};
MpiFacts mpi_facts();

struct Placement {
  int nodes = 1;       // machines
  int ranks_here = 1;  // on this rank's machine
};
Placement placement(const Comm& world);  // collective

}  // namespace longspan
