// Ends a rank whose run stands still: a peer that hangs would keep a whole allocation waiting until its time is up. The
// launcher then ends the other ranks. A thread of its own watches, which never calls MPI, so that it may go on until MPI
// has ended.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/timer.hpp"

namespace longspan {

class Watchdog {
 public:
  Watchdog() = default;  // asleep
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // From now on `seconds` without progress end the process with exit code 3 and a sentence that says what this rank does
  // or waits for, and so does a run that goes on `stop_within` seconds after a stop signal; 0: never.
  void start(double seconds, double stop_within, int rank);
  // The run goes on, with `doing`: "step 12".
  void progress(const std::string& doing);

 private:
  void watch();
  // What is over time, as a sentence; empty while nothing is.
  std::string complaint() const;
  std::string state() const;

  double seconds_ = 0, stop_within_ = 0;
  int rank_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::string doing_ = "its start";
  Timer since_;
  std::thread thread_;
};

}  // namespace longspan
