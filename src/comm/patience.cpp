#include "comm/patience.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "comm/delay.hpp"
#include "comm/delayed_starts.hpp"

namespace longspan {
namespace {

bool share = false;

// Asks again and again, and starts what was held back meanwhile. Where ranks share cores: a few times at once, then
// after pauses that grow to 200 microseconds.
template <class Ask>
int ask_patiently(Ask ask) {
  constexpr int kAtOnce = 8;
  std::chrono::microseconds pause(10);
  for (int asked = 0;; ++asked) {
    int done = 0;
    const int error = ask(&done);
    if (error != MPI_SUCCESS || done != 0) return error;
    DelayedStarts::instance().start_due();
    if (!share || asked < kAtOnce) continue;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(200));
  }
}

}  // namespace

bool ranks_share_cores() { return share; }
void set_ranks_share_cores(bool value) { share = value; }

int wait_all(std::vector<MPI_Request>& requests, std::vector<MPI_Status>& statuses) {
  const auto count = static_cast<int>(requests.size());
  if (!share && DelayedStarts::instance().empty()) return MPI_Waitall(count, requests.data(), statuses.data());
  return ask_patiently([&](int* done) { return MPI_Testall(count, requests.data(), done, statuses.data()); });
}

int complete(const std::function<int(MPI_Request*)>& start) {
  wait_out_delay();
  std::vector<MPI_Request> request(1);
  std::vector<MPI_Status> status(1);
  const int error = start(request.data());
  return error == MPI_SUCCESS ? wait_all(request, status) : error;
}

void wait_out_delay() {
  if (message_delay() > 0) DelayedStarts::instance().catch_up();
}

}  // namespace longspan
