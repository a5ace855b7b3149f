#include "comm/request.hpp"

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include "base/timer.hpp"
#include "comm/mpi_check.hpp"
#include "comm/patience.hpp"
#include "comm/waiting.hpp"

namespace longspan {
namespace {

int abandoned = 0;

}  // namespace

int abandoned_requests() { return abandoned; }

Request::State::State(std::string group, const char* kind) : group(std::move(group)), kind(kind) {}

DeviceBuffer& Request::State::add_buffer(const Tensor& tensor, Access access, bool host_function) {
  return buffers_.emplace_back(tensor, access, host_function);
}

MPI_Request* Request::State::add(std::int64_t expected_bytes) {
  expected_.push_back(expected_bytes);
  return &requests_.emplace_back(MPI_REQUEST_NULL);
}

bool Request::State::test() {
  DelayedStarts::instance().start_due();
  if (held_back_) return false;
  std::vector<MPI_Status> statuses(requests_.size());
  int done = 0;
  check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, statuses.data()), kind, group);
  if (done) finish(statuses);
  return done != 0;
}

void Request::State::wait() {
  const WaitScope scope(group, kind);
  while (held_back_) {
    DelayedStarts::instance().start_due();
    std::this_thread::yield();
  }
  std::vector<MPI_Status> statuses(requests_.size());
  check_mpi(wait_all(requests_, statuses), kind, group);
  finish(statuses);
}

bool Request::State::under_way() const {
  return held_back_ ||
         std::any_of(requests_.begin(), requests_.end(), [](MPI_Request r) { return r != MPI_REQUEST_NULL; });
}

void Request::State::finish(const std::vector<MPI_Status>& statuses) {
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    if (expected_[i] < 0) continue;
    int bytes = 0;
    MPI_Get_count(&statuses[i], MPI_BYTE, &bytes);
    LONGSPAN_CHECK(bytes == expected_[i], "[{}] over '{}': a message of {} bytes came from rank {}, {} were expected",
                   kind, group, bytes, statuses[i].MPI_SOURCE, expected_[i]);
  }
  for (DeviceBuffer& buffer : buffers_) buffer.finish();
}

Request::Request() = default;
Request::Request(std::unique_ptr<State> state) : state_(std::move(state)) {}
Request::Request(Request&& other) noexcept = default;

Request& Request::operator=(Request&& other) noexcept {
  if (this != &other) {
    Request finished(std::move(*this));  // waits for what this request stood for
    state_ = std::move(other.state_);
  }
  return *this;
}

// During unwinding the other side may have failed too and never come: what MPI still works on is given up, and its
// memory must outlive it.
Request::~Request() {
  if (!state_) return;
  try {
    if (std::uncaught_exceptions() == 0) wait();
  } catch (const std::exception&) {
  }
  if (state_ && state_->under_way()) {
    ++abandoned;
    static_cast<void>(state_.release());
  }
}

bool Request::active() const { return state_ != nullptr; }

bool Request::test() {
  if (state_ && state_->test()) state_.reset();
  return !state_;
}

void Request::wait() {
  if (!state_) return;
  const Timer timer;
  state_->wait();
  CommCounters::instance().add_seconds(state_->group, state_->kind, timer.seconds());
  state_.reset();
}

}  // namespace longspan
