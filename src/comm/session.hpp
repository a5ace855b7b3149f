// MPI from start to end, for programs and for the tests' main. One per process; every Comm and Request must be gone
// before it.
#pragma once

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
  int local_rank() const;                            // among the ranks of this machine; collective
};

// Ends all ranks now, with this exit code.
[[noreturn]] void abort_all(int code);

// `done` is asked again and again, up to `seconds`; returns its last answer. Sleeps in between.
bool poll(double seconds, const std::function<bool()>& done);

}  // namespace longspan
