// Messages between two ranks. A message that is cut arrives whole, since MPI keeps the order of its pieces.
#include "comm/call_counter.hpp"
#include "comm/comm.hpp"
#include "comm/datatypes.hpp"
#include "comm/device_buffer.hpp"
#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"
#include "comm/pieces.hpp"
#include "comm/request.hpp"

namespace longspan {
namespace {

void check_peer(const Comm& comm, int peer, int tag, const char* kind) {
  LONGSPAN_CHECK(peer >= 0 && peer < comm.size() && tag >= 0 && (comm.is_phantom() || tag < comm.handle()->own_tag),
                 "[{}] rank {}, tag {} in the group '{}' of {}", kind, peer, tag, comm.name(), comm.size());
}

}  // namespace

void Comm::send(const Tensor& t, int to, int tag) const { send_async(t, to, tag).wait(); }

void Comm::receive(const Tensor& t, int from, int tag) const { receive_async(t, from, tag).wait(); }

Request Comm::send_async(const Tensor& t, int to, int tag) const {
  check_peer(*this, to, tag, "send");
  const CallCounter counter(name_, "send", to == rank_ ? 0 : static_cast<std::int64_t>(t.bytes()));
  auto state = std::make_unique<Request::State>(name_, "send");
  DeviceBuffer& buffer = state->add_buffer(t, Access::read);
  if (is_phantom()) return Request(std::move(state));
  state->start([comm = handle_, &buffer, s = state.get(), size = t.size(), dtype = t.dtype(), to, tag] {
    for_each_piece(size, dtype, [&](std::int64_t first, int count) {
      check_mpi(MPI_Isend(buffer.data(first), count, mpi_type(dtype), to, tag, comm->comm, s->add()), "send", s->group);
    });
  });
  return Request(std::move(state));
}

Request Comm::receive_async(const Tensor& t, int from, int tag) const {
  check_peer(*this, from, tag, "receive");
  const CallCounter counter(name_, "receive", 0);
  auto state = std::make_unique<Request::State>(name_, "receive");
  DeviceBuffer& buffer = state->add_buffer(t, Access::write);
  if (is_phantom()) return Request(std::move(state));
  for_each_piece(t.size(), t.dtype(), [&](std::int64_t first, int count) {
    check_mpi(MPI_Irecv(buffer.data(first), count, mpi_type(t.dtype()), from, tag, handle_->comm,
                        state->add(count * static_cast<std::int64_t>(size_of(t.dtype())))),
              "receive", name_);
  });
  return Request(std::move(state));
}

}  // namespace longspan
