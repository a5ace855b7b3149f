#include "train/signals.hpp"

#include <unistd.h>

#include <csignal>
#include <ctime>

#include "base/error.hpp"

namespace longspan {
namespace {

// Launcher and scheduler may both pass on one and the same request; what comes this soon is no second one. Nor is
// another signal: a scheduler sends SIGUSR1 and, when the time is up, SIGTERM.
constexpr std::time_t kEchoSeconds = 2;

volatile std::sig_atomic_t requested = 0;
std::time_t first = 0;  // CLOCK_MONOTONIC; both signals are blocked in the handler, so nobody else is at it
int first_number = 0;

std::time_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec;
}

// Only what is allowed in a signal handler: write and _exit, no streams.
void request_stop(int number) {
  if (requested == 0) {
    first = now();
    first_number = number;
    requested = 1;
  } else if (number == first_number && now() - first > kEchoSeconds) {
    constexpr char kSentence[] = "error: ended at once by a second stop signal, without a checkpoint of this step\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kSentence, sizeof kSentence - 1);
    _exit(static_cast<int>(ExitCode::environment));
  }
}

}  // namespace

void watch_stop_signals() {
  struct sigaction action{};
  action.sa_handler = request_stop;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGTERM, SIGUSR1}) sigaddset(&action.sa_mask, number);
  for (const int number : {SIGTERM, SIGUSR1}) sigaction(number, &action, nullptr);
}

bool stop_requested() { return requested != 0; }

double seconds_since_stop() { return requested == 0 ? 0 : static_cast<double>(now() - first); }

}  // namespace longspan
