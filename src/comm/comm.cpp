#include "comm/comm.hpp"

#include <utility>

#include "comm/call_counter.hpp"
#include "comm/datatypes.hpp"
#include "comm/delayed_starts.hpp"
#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"
#include "comm/patience.hpp"
#include "comm/pieces.hpp"
#include "tensor/shape_only.hpp"

namespace longspan {
namespace {

// An int of bytes with room to spare: some MPI libraries multiply counts and sizes in int.
std::int64_t piece_bytes = std::int64_t{1} << 30;

template <class T>
T all_reduce_host(const Comm& comm, T value, Reduce op) {
  if (comm.size() == 1) return value;
  const std::int64_t bytes = 2 * static_cast<std::int64_t>(sizeof(T)) * (comm.size() - 1) / comm.size();
  const CallCounter counter(comm.name(), "all_reduce_value", bytes);
  if (comm.is_phantom()) return value;
  const auto start = [&](MPI_Request* request) {
    const MPI_Datatype type = mpi_type(dtype_of<T>());
    return MPI_Iallreduce(MPI_IN_PLACE, &value, 1, type, mpi_op(op, dtype_of<T>()), native(comm), request);
  };
  check_mpi(complete(start), "all_reduce_value", comm.name());
  return value;
}

}  // namespace

std::int64_t message_limit() { return piece_bytes; }

void set_message_limit(std::int64_t bytes) {
  LONGSPAN_CHECK(bytes > 0 && bytes <= (std::int64_t{1} << 30), "[comm] message limit of {} bytes", bytes);
  piece_bytes = bytes;
}

Comm::Handle::Handle(MPI_Comm owned) : comm(owned) {
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  int* largest = nullptr;
  int known = 0;
  MPI_Comm_get_attr(comm, MPI_TAG_UB, &largest, &known);
  own_tag = known ? *largest : 32767;  // the standard's least
}

Comm::Handle::~Handle() {
  int ended = 0;
  MPI_Finalized(&ended);
  if (!ended) MPI_Comm_free(&comm);
}

Comm::Comm(std::string name, std::shared_ptr<Handle> handle) : name_(std::move(name)), handle_(std::move(handle)) {
  check_mpi(MPI_Comm_size(handle_->comm, &size_), "counting the ranks", name_);
  check_mpi(MPI_Comm_rank(handle_->comm, &rank_), "counting the ranks", name_);
}

Comm Comm::phantom(std::string name, int size, int rank) {
  LONGSPAN_CHECK(rank >= 0 && rank < size, "[comm] rank {} of the {} of '{}'", rank, size, name);
  return Comm(std::move(name), size, rank);
}

Comm Comm::split(const std::string& name, int color, int key) const {
  LONGSPAN_CHECK(!is_phantom(), "[split] the phantom '{}' has no ranks that could give their colors", name_);
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(handle_->comm, color, key, &part), "split", name_);
  return Comm(name, std::make_shared<Handle>(part));
}

void Comm::barrier() const {
  if (size_ == 1) return;
  const CallCounter counter(name_, "barrier", 0);
  if (is_phantom()) return;
  check_mpi(complete([&](MPI_Request* request) { return MPI_Ibarrier(handle_->comm, request); }), "barrier", name_);
}

double Comm::all_reduce_value(double value, Reduce op) const { return all_reduce_host(*this, value, op); }

std::int64_t Comm::all_reduce_value(std::int64_t value, Reduce op) const { return all_reduce_host(*this, value, op); }

std::vector<double> Comm::all_gather_value(double value) const {
  std::vector<double> values(static_cast<std::size_t>(size_), value);
  if (size_ == 1) return values;
  const CallCounter counter(name_, "all_gather_value", static_cast<std::int64_t>(sizeof(double)) * (size_ - 1));
  if (is_phantom()) return values;
  const auto start = [&](MPI_Request* request) {
    return MPI_Iallgather(&value, 1, MPI_DOUBLE, values.data(), 1, MPI_DOUBLE, handle_->comm, request);
  };
  check_mpi(complete(start), "all_gather_value", name_);
  return values;
}

std::string Comm::broadcast_text(const std::string& text, int root) const {
  if (size_ == 1) return text;
  std::int64_t length = static_cast<std::int64_t>(text.size());
  const CallCounter counter(name_, "broadcast_text", rank_ == root ? length : 0);
  if (is_phantom()) return text;
  const auto broadcast = [&](void* data, std::int64_t count, MPI_Datatype type) {
    const auto start = [&](MPI_Request* request) {
      return MPI_Ibcast(data, static_cast<int>(count), type, root, handle_->comm, request);
    };
    check_mpi(complete(start), "broadcast_text", name_);
  };
  broadcast(&length, 1, MPI_INT64_T);
  std::string same = rank_ == root ? text : std::string(static_cast<std::size_t>(length), ' ');
  broadcast(same.data(), length, MPI_CHAR);
  return same;
}

void progress() {
  if (shape_only()) return;
  DelayedStarts::instance().start_due();
  int any = 0;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_SELF, &any, MPI_STATUS_IGNORE), "progress", "self");
}

}  // namespace longspan
