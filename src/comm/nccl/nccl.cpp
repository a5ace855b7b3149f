#include "comm/nccl.hpp"

#include <nccl.h>

#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"
#include "tensor/device.hpp"

namespace longspan::nccl {
namespace {

void check_nccl(ncclResult_t result, const char* call) {
  if (result == ncclSuccess) return;
  throw EnvironmentError("{} failed: {}; NCCL_DEBUG=INFO tells more, a build without LONGSPAN_NCCL uses MPI alone",
                         call, ncclGetErrorString(result));
}

ncclDataType_t type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return ncclFloat64;
    case Dtype::float32:
      return ncclFloat32;
    case Dtype::bfloat16:
      return ncclBfloat16;
    case Dtype::int32:
      return ncclInt32;
    default:
      return ncclInt64;
  }
}

cudaStream_t stream() { return static_cast<cudaStream_t>(device::stream()); }

char* element(const Tensor& t, std::int64_t i) {
  return static_cast<char*>(t.raw()) + static_cast<std::size_t>(i) * size_of(t.dtype());
}

}  // namespace

struct Group {
  explicit Group(const Comm& comm) {
    ncclUniqueId id{};
    if (comm.rank() == 0) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
    check_mpi(MPI_Bcast(&id, sizeof id, MPI_BYTE, 0, native(comm)), "broadcast", comm.name());
    check_nccl(ncclCommInitRank(&comm_, comm.size(), id, comm.rank()), "ncclCommInitRank");
  }
  ~Group() { ncclCommDestroy(comm_); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  static ncclComm_t of(const Comm& comm) {
    std::shared_ptr<Group>& group = comm.handle()->nccl;
    if (!group) group = std::make_shared<Group>(comm);
    return group->comm_;
  }

 private:
  ncclComm_t comm_ = nullptr;
};

bool takes(const Tensor& t, bool reduces, Reduce op) {
  if (device::host_accessible()) return false;
  return !reduces || (op == Reduce::sum && t.dtype() != Dtype::bfloat16);
}

void all_reduce(const Comm& comm, const Tensor& t) {
  check_nccl(ncclAllReduce(t.raw(), t.raw(), static_cast<std::size_t>(t.size()), type_of(t.dtype()), ncclSum,
                           Group::of(comm), stream()),
             "ncclAllReduce");
}

// Blocks may be uneven: each is a broadcast from its rank, all in one launch.
void all_gather(const Comm& comm, const Tensor& all, const std::vector<std::int64_t>& first,
                const std::vector<std::int64_t>& count) {
  const ncclComm_t group = Group::of(comm);
  check_nccl(ncclGroupStart(), "ncclGroupStart");
  for (int r = 0; r < comm.size(); ++r) {
    const auto at = static_cast<std::size_t>(r);
    char* const block = element(all, first[at]);
    check_nccl(
        ncclBroadcast(block, block, static_cast<std::size_t>(count[at]), type_of(all.dtype()), r, group, stream()),
        "ncclBroadcast");
  }
  check_nccl(ncclGroupEnd(), "ncclGroupEnd");
}

void reduce_scatter(const Comm& comm, const Tensor& all, const Tensor& mine, const std::vector<std::int64_t>& first,
                    const std::vector<std::int64_t>& count) {
  const ncclComm_t group = Group::of(comm);
  check_nccl(ncclGroupStart(), "ncclGroupStart");
  for (int r = 0; r < comm.size(); ++r) {
    const auto at = static_cast<std::size_t>(r);
    check_nccl(ncclReduce(element(all, first[at]), r == comm.rank() ? mine.raw() : nullptr,
                          static_cast<std::size_t>(count[at]), type_of(all.dtype()), ncclSum, r, group, stream()),
               "ncclReduce");
  }
  check_nccl(ncclGroupEnd(), "ncclGroupEnd");
}

}  // namespace longspan::nccl
