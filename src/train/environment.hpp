// What a run finds where it starts, and what looks wrong about it.
#pragma once

#include <string>
#include <vector>

#include "base/machine.hpp"
#include "comm/mpi_facts.hpp"
#include "layout/mesh_shape.hpp"

namespace longspan {

struct Environment {
  Machine machine;  // of rank 0's node
  MpiFacts mpi;
  Placement placement;
  MeshShape mesh;
  std::string device;                             // what kernels run on: "OpenMP, 2 threads"
  int devices = 0;                                // of a node, that are not the host
  int threads = 1;                                // of a rank
  std::string omp_threads, omp_bind, omp_places;  // OMP_NUM_THREADS, OMP_PROC_BIND, OMP_PLACES
  std::string directory, file_system;             // run.directory
  int fewest_cores = 0, most_cores = 0;           // of the nodes
};

// A sentence each: what is wrong, and the mend.
std::vector<std::string> suspicions(const Environment& found);

}  // namespace longspan
