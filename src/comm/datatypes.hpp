// MPI types and operators of our dtypes. Those that MPI lacks (bfloat16; maxima that keep a NaN) are made on first use
// and live until MPI ends.
#pragma once

#include <mpi.h>

#include "comm/comm.hpp"

namespace longspan {

MPI_Datatype mpi_type(Dtype dtype);

// Sums of bfloat16 are made in float32 and rounded once per addition. A NaN of any rank stays a NaN in the maximum and
// minimum.
MPI_Op mpi_op(Reduce op, Dtype dtype);

// The operator is our own function, which reads host memory.
bool own_op(Reduce op, Dtype dtype);

}  // namespace longspan
