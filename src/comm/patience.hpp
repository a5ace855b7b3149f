// How a rank waits. MPI libraries wait by asking over and over, which is right where every rank has a core of its own.
// Where ranks share cores a waiting rank would take the time of those that compute: there it sleeps between questions.
#pragma once

#include <mpi.h>

#include <vector>

namespace longspan {

bool ranks_share_cores();
void set_ranks_share_cores(bool share);

// Until all requests are done; as MPI_Waitall.
int wait_all(std::vector<MPI_Request>& requests, std::vector<MPI_Status>& statuses);

// Before a blocking collective: returns once its delay is over (comm/delay.hpp) and, where ranks share cores, all ranks
// of the group are there.
int meet(MPI_Comm group);

}  // namespace longspan
