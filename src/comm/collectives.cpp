// Collectives in which all ranks hold tensors of one shape.
#include "comm/call_counter.hpp"
#include "comm/comm.hpp"
#include "comm/datatypes.hpp"
#include "comm/device_buffer.hpp"
#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"
#include "comm/nccl.hpp"
#include "comm/patience.hpp"
#include "comm/pieces.hpp"
#include "comm/request.hpp"

namespace longspan {
namespace {

std::int64_t all_reduce_bytes(const Tensor& t, int size) {
  return 2 * static_cast<std::int64_t>(t.bytes()) * (size - 1) / size;
}

}  // namespace

void Comm::all_reduce(const Tensor& t, Reduce op) const {
  if (size_ == 1) return;
  if (ranks_share_cores() || nccl::takes(t, true, op)) return all_reduce_async(t, op).wait();
  const CallCounter counter(name_, "all_reduce", all_reduce_bytes(t, size_));
  if (is_phantom()) return;
  wait_out_delay();
  DeviceBuffer buffer(t, Access::update, own_op(op, t.dtype()));
  for_each_piece(t.size(), t.dtype(), [&](std::int64_t first, int count) {
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, buffer.data(first), count, mpi_type(t.dtype()), mpi_op(op, t.dtype()),
                            handle_->comm),
              "all_reduce", name_);
  });
  buffer.finish();
}

Request Comm::all_reduce_async(const Tensor& t, Reduce op) const {
  if (size_ == 1) return Request();
  const CallCounter counter(name_, "all_reduce", all_reduce_bytes(t, size_));
  if (!is_phantom() && nccl::takes(t, true, op)) {
    nccl::all_reduce(*this, t);
    return Request();
  }
  auto state = std::make_unique<Request::State>(name_, "all_reduce");
  DeviceBuffer& buffer = state->add_buffer(t, Access::update, own_op(op, t.dtype()));
  if (is_phantom()) return Request(std::move(state));
  state->start([comm = handle_, &buffer, s = state.get(), size = t.size(), dtype = t.dtype(), op] {
    for_each_piece(size, dtype, [&](std::int64_t first, int count) {
      check_mpi(MPI_Iallreduce(MPI_IN_PLACE, buffer.data(first), count, mpi_type(dtype), mpi_op(op, dtype), comm->comm,
                               s->add()),
                s->kind, s->group);
    });
  });
  return Request(std::move(state));
}

void Comm::broadcast(const Tensor& t, int root) const {
  if (size_ == 1) return;
  const bool mine = rank_ == root;
  const CallCounter counter(name_, "broadcast", mine ? static_cast<std::int64_t>(t.bytes()) : 0);
  if (is_phantom()) return;
  DeviceBuffer buffer(t, mine ? Access::read : Access::write);
  for_each_piece(t.size(), t.dtype(), [&](std::int64_t first, int count) {
    const auto start = [&](MPI_Request* request) {
      return MPI_Ibcast(buffer.data(first), count, mpi_type(t.dtype()), root, handle_->comm, request);
    };
    check_mpi(complete(start), "broadcast", name_);
  });
  buffer.finish();
}

}  // namespace longspan
