// Collectives over blocks of rows, one block per rank, uneven and possibly empty. Tensors that do not go in one piece
// are exchanged by messages, since MPI counts and offsets are int.
#include <numeric>

#include "comm/blocks.hpp"
#include "comm/call_counter.hpp"
#include "comm/datatypes.hpp"
#include "comm/device_buffer.hpp"
#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"
#include "comm/nccl.hpp"
#include "comm/patience.hpp"
#include "comm/pieces.hpp"
#include "comm/request.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

std::int64_t ring_bytes(const Tensor& all, int size) {
  return static_cast<std::int64_t>(all.bytes()) * (size - 1) / size;
}

// The rows of rank `rank`.
Tensor part_of(const Tensor& all, const std::vector<std::int64_t>& rows, int rank) {
  return all.slice(std::accumulate(rows.begin(), rows.begin() + rank, std::int64_t{0}), rows[rank]);
}

void copy_tensor(const Tensor& from, const Tensor& to) {
  if (from.raw() != to.raw()) device::copy_on_device(to.raw(), from.raw(), from.bytes());
}

void check_mine(const Tensor& mine, const Tensor& all, std::int64_t count, const char* kind) {
  LONGSPAN_CHECK(mine.size() == count && mine.dtype() == all.dtype(),
                 "[{}] this rank's part {} {} is not {} elements of {} {}", kind, to_string(mine.dtype()),
                 mine.shape().str(), count, to_string(all.dtype()), all.shape().str());
}

}  // namespace

// The own part is copied to its place first; the rest is in place.
void Comm::all_gather(const Tensor& mine, const Tensor& all, const std::vector<std::int64_t>& rows) const {
  const Blocks blocks(all, rows, size_, "all_gather");
  check_mine(mine, all, blocks.count[rank_], "all_gather");
  if (size_ > 1 && (ranks_share_cores() || nccl::takes(all, false) || !one_piece(all.size(), all.dtype()))) {
    return all_gather_async(mine, all, rows).wait();
  }
  copy_tensor(mine, part_of(all, rows, rank_));
  if (size_ == 1) return;
  const CallCounter counter(name_, "all_gather", ring_bytes(all, size_));
  if (is_phantom()) return;
  wait_out_delay();
  DeviceBuffer buffer(all, Access::update);
  check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, mpi_type(all.dtype()), buffer.data(), blocks.counts().data(),
                           blocks.offsets().data(), mpi_type(all.dtype()), handle_->comm),
            "all_gather", name_);
  buffer.finish();
}

Request Comm::all_gather_async(const Tensor& mine, const Tensor& all, const std::vector<std::int64_t>& rows) const {
  const Blocks blocks(all, rows, size_, "all_gather");
  check_mine(mine, all, blocks.count[rank_], "all_gather");
  const Tensor own = part_of(all, rows, rank_);
  copy_tensor(mine, own);
  if (size_ == 1) return Request();
  const CallCounter counter(name_, "all_gather", ring_bytes(all, size_));
  if (!is_phantom() && nccl::takes(all, false)) {
    nccl::all_gather(*this, all, blocks.first, blocks.count);
    return Request();
  }
  if (!one_piece(all.size(), all.dtype())) {
    return Request(exchange(own, Blocks(own, size_), all, blocks, "all_gather"));
  }
  auto state = std::make_unique<Request::State>(name_, "all_gather");
  DeviceBuffer& buffer = state->add_buffer(all, Access::update);
  if (is_phantom()) return Request(std::move(state));
  state->counts = blocks.counts();
  state->offsets = blocks.offsets();
  state->start([comm = handle_, &buffer, s = state.get(), type = mpi_type(all.dtype())] {
    check_mpi(MPI_Iallgatherv(MPI_IN_PLACE, 0, type, buffer.data(), s->counts.data(), s->offsets.data(), type,
                              comm->comm, s->add()),
              s->kind, s->group);
  });
  return Request(std::move(state));
}

void Comm::reduce_scatter(const Tensor& all, const Tensor& mine, const std::vector<std::int64_t>& rows) const {
  const Blocks blocks(all, rows, size_, "reduce_scatter");
  check_mine(mine, all, blocks.count[rank_], "reduce_scatter");
  if (size_ == 1) return copy_tensor(all, mine);
  if (ranks_share_cores() || nccl::takes(all, true) || !one_piece(all.size(), all.dtype()))
    return reduce_scatter_async(all, mine, rows).wait();
  const CallCounter counter(name_, "reduce_scatter", ring_bytes(all, size_));
  if (is_phantom()) return;
  wait_out_delay();
  const bool own = own_op(Reduce::sum, all.dtype());
  DeviceBuffer from(all, Access::read, own), to(mine, Access::write, own);
  check_mpi(MPI_Reduce_scatter(from.data(), to.data(), blocks.counts().data(), mpi_type(all.dtype()),
                               mpi_op(Reduce::sum, all.dtype()), handle_->comm),
            "reduce_scatter", name_);
  to.finish();
}

// Where `all` does not go in one piece, each block is reduced to its rank piece by piece.
Request Comm::reduce_scatter_async(const Tensor& all, const Tensor& mine, const std::vector<std::int64_t>& rows) const {
  const Blocks blocks(all, rows, size_, "reduce_scatter");
  check_mine(mine, all, blocks.count[rank_], "reduce_scatter");
  if (size_ == 1) {
    copy_tensor(all, mine);
    return Request();
  }
  const CallCounter counter(name_, "reduce_scatter", ring_bytes(all, size_));
  if (!is_phantom() && nccl::takes(all, true)) {
    nccl::reduce_scatter(*this, all, mine, blocks.first, blocks.count);
    return Request();
  }
  const bool own = own_op(Reduce::sum, all.dtype());
  const MPI_Datatype type = mpi_type(all.dtype());
  const MPI_Op op = mpi_op(Reduce::sum, all.dtype());
  auto state = std::make_unique<Request::State>(name_, "reduce_scatter");
  DeviceBuffer& from = state->add_buffer(all, Access::read, own);
  DeviceBuffer& to = state->add_buffer(mine, Access::write, own);
  if (is_phantom()) return Request(std::move(state));
  if (one_piece(all.size(), all.dtype())) {
    state->counts = blocks.counts();
    state->start([comm = handle_, &from, &to, s = state.get(), type, op] {
      check_mpi(MPI_Ireduce_scatter(from.data(), to.data(), s->counts.data(), type, op, comm->comm, s->add()), s->kind,
                s->group);
    });
    return Request(std::move(state));
  }
  state->start([comm = *this, &from, &to, s = state.get(), blocks, type, op, dtype = all.dtype()] {
    for (int r = 0; r < comm.size(); ++r) {
      for_each_piece(blocks.count[r], dtype, [&](std::int64_t first, int count) {
        check_mpi(MPI_Ireduce(from.data(blocks.first[r] + first), r == comm.rank() ? to.data(first) : nullptr, count,
                              type, op, r, comm.handle()->comm, s->add()),
                  s->kind, s->group);
      });
    }
  });
  return Request(std::move(state));
}

void Comm::all_to_all(const Tensor& send, const std::vector<std::int64_t>& send_rows, const Tensor& receive,
                      const std::vector<std::int64_t>& receive_rows) const {
  const Blocks to(send, send_rows, size_, "all_to_all");
  const Blocks from(receive, receive_rows, size_, "all_to_all");
  LONGSPAN_CHECK(send.dtype() == receive.dtype() && to.count[rank_] == from.count[rank_],
                 "[all_to_all] a rank keeps {} elements of {} but expects {} of {}", to.count[rank_],
                 to_string(send.dtype()), from.count[rank_], to_string(receive.dtype()));
  copy_tensor(part_of(send, send_rows, rank_), part_of(receive, receive_rows, rank_));
  if (size_ == 1) return;
  const std::int64_t sent = (send.size() - to.count[rank_]) * static_cast<std::int64_t>(size_of(send.dtype()));
  const CallCounter counter(name_, "all_to_all", sent);
  exchange(send, to, receive, from, "all_to_all")->wait();
}

}  // namespace longspan
