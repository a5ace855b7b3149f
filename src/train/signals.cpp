#include "train/signals.hpp"

#include <csignal>

namespace longspan {
namespace {

volatile std::sig_atomic_t requested = 0;

void request_stop(int) { requested = 1; }

}  // namespace

void watch_stop_signals() {
  std::signal(SIGTERM, request_stop);
  std::signal(SIGUSR1, request_stop);
}

bool stop_requested() { return requested != 0; }

}  // namespace longspan
