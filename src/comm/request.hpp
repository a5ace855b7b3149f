// What a Request holds while its message is under way; for comm/ only.
#pragma once

#include <mpi.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "comm/comm.hpp"
#include "comm/delay.hpp"
#include "comm/delayed_starts.hpp"
#include "comm/device_buffer.hpp"

namespace longspan {

struct Request::State {
  State(std::string group, const char* kind);

  // The buffers stay where they are while more are added.
  DeviceBuffer& add_buffer(const Tensor& tensor, Access access, bool host_function = false);
  // A place for the next MPI request; `expected_bytes` of a receive, whose message must be that long.
  MPI_Request* add(std::int64_t expected_bytes = -1);
  // Makes the MPI calls of a send or a collective: now, or later where messages are delayed. What `calls` refers to
  // lives as long as this state.
  template <class Calls>
  void start(Calls calls) {
    if (message_delay() == 0) return calls();
    held_back_ = true;
    DelayedStarts::instance().add([this, calls = std::move(calls)] {
      held_back_ = false;
      calls();
    });
  }

  bool test();
  void wait();
  bool under_way() const;  // MPI still works on some part, or will

  std::string group;
  const char* kind;
  std::vector<int> counts, offsets;  // that MPI reads until the call is over

 private:
  void finish(const std::vector<MPI_Status>& statuses);

  std::vector<MPI_Request> requests_;
  std::vector<std::int64_t> expected_;
  std::deque<DeviceBuffer> buffers_;
  bool held_back_ = false;
};

// Requests that were given up because of an exception; MPI_Finalize may not be called with any.
int abandoned_requests();

}  // namespace longspan
