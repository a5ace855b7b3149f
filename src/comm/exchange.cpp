// Blocks of a tensor and their exchange by messages of any size.
#include "comm/blocks.hpp"
#include "comm/datatypes.hpp"
#include "comm/device_buffer.hpp"
#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"
#include "comm/pieces.hpp"
#include "comm/request.hpp"

namespace longspan {

Comm::Blocks::Blocks(const Tensor& t, const std::vector<std::int64_t>& rows, int ranks, const char* kind) {
  LONGSPAN_CHECK(static_cast<int>(rows.size()) == ranks && t.shape().rank() > 0, "[{}] {} row counts for {} ranks",
                 kind, rows.size(), ranks);
  std::int64_t width = 1;
  for (int i = 1; i < t.shape().rank(); ++i) width *= t.dim(i);
  std::int64_t sum = 0;
  for (const std::int64_t n : rows) {
    LONGSPAN_CHECK(n >= 0, "[{}] {} rows for a rank", kind, n);
    first.push_back(sum * width);
    count.push_back(n * width);
    sum += n;
  }
  LONGSPAN_CHECK(sum == t.dim(0), "[{}] the row counts add up to {}, the tensor is {}", kind, sum, t.shape().str());
}

// Sends block r of `send` to rank r and receives block r of `receive` from it, for all others r.
std::unique_ptr<Request::State> Comm::exchange(const Tensor& send, const Blocks& to, const Tensor& receive,
                                               const Blocks& from, const char* kind) const {
  auto state = std::make_unique<Request::State>(name_, kind);
  DeviceBuffer& out = state->add_buffer(send, Access::read);
  DeviceBuffer& in = state->add_buffer(receive, Access::update);
  if (is_phantom()) return state;
  const MPI_Datatype type = mpi_type(send.dtype());
  const auto element = static_cast<std::int64_t>(size_of(send.dtype()));
  for (int step = 1; step < size_; ++step) {
    const int r = (rank_ - step + size_) % size_;
    for_each_piece(from.count[r], send.dtype(), [&](std::int64_t first, int count) {
      check_mpi(MPI_Irecv(in.data(from.first[r] + first), count, type, r, handle_->own_tag, handle_->comm,
                          state->add(count * element)),
                kind, name_);
    });
  }
  state->start([comm = *this, &out, s = state.get(), to, type, dtype = send.dtype()] {
    for (int step = 1; step < comm.size(); ++step) {
      const int r = (comm.rank() + step) % comm.size();
      for_each_piece(to.count[r], dtype, [&](std::int64_t first, int count) {
        check_mpi(MPI_Isend(out.data(to.first[r] + first), count, type, r, comm.handle()->own_tag, comm.handle()->comm,
                            s->add()),
                  s->kind, s->group);
      });
    }
  });
  return state;
}

}  // namespace longspan
