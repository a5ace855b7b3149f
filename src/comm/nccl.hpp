// Collectives of tensors on a device by NCCL, where the build has it (LONGSPAN_NCCL). They are queued behind the
// kernels that made the data and before those that read the result, so that the host neither copies nor waits. MPI
// keeps the messages between two ranks, and everything that NCCL does not take.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/comm.hpp"

namespace longspan::nccl {

// One per group, made at its first collective here; Comm::Handle keeps it.
struct Group;

// Sums of bfloat16 are made in float32 by an operator of ours, extrema keep a NaN: NCCL does neither.
bool takes(const Tensor& t, bool reduces, Reduce op = Reduce::sum);

void all_reduce(const Comm& comm, const Tensor& t);  // sum, in place
// Block r of `all` has count[r] elements from first[r] on.
void all_gather(const Comm& comm, const Tensor& all, const std::vector<std::int64_t>& first,
                const std::vector<std::int64_t>& count);  // this rank's block is in its place
void reduce_scatter(const Comm& comm, const Tensor& all, const Tensor& mine, const std::vector<std::int64_t>& first,
                    const std::vector<std::int64_t>& count);

}  // namespace longspan::nccl
