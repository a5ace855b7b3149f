// MPI from start to end, for programs and for the tests' main. One per process; every Comm and Request must be gone
// before it.
#pragma once

#include <functional>
#include <string>

#include "comm/comm.hpp"

namespace longspan {

class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  Comm group_of_all(const std::string& name) const;  // a new group of all ranks; collective
  int local_rank() const { return local_rank_; }     // among the ranks of this machine
  // Threads a rank should use: this machine's cores shared out, or 0 where OMP_NUM_THREADS says it.
  int default_threads() const;

 private:
  int local_rank_ = 0, local_size_ = 1;
};

// Ends all ranks now, with this exit code.
[[noreturn]] void abort_all(int code);

// `done` is asked again and again, up to `seconds`; returns its last answer. Sleeps in between.
bool poll(double seconds, const std::function<bool()>& done);

}  // namespace longspan
