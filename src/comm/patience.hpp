// How a rank waits. MPI libraries wait by asking over and over, which is right where every rank has a core of its own.
// Where ranks share cores a waiting rank would take the time of those that compute: there it sleeps between questions.
#pragma once

#include <mpi.h>

#include <functional>
#include <vector>

namespace longspan {

bool ranks_share_cores();
void set_ranks_share_cores(bool share);

// Until all requests are done; as MPI_Waitall.
int wait_all(std::vector<MPI_Request>& requests, std::vector<MPI_Status>& statuses);

// Starts a nonblocking collective once its delay is over (comm/delay.hpp) and waits for it.
int complete(const std::function<int(MPI_Request*)>& start);
// The delay alone, before a blocking collective. Those do not wait patiently: where ranks share cores the nonblocking
// form takes their place.
void wait_out_delay();

}  // namespace longspan
