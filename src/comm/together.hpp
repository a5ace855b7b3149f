// Work that may fail on some ranks only, such as writing a file: all ranks learn of it and raise the same error,
// instead of waiting for ranks that have left.
#pragma once

#include <exception>
#include <functional>

#include "comm/comm.hpp"

namespace longspan {

class Outcome {
 public:
  // Runs `body`, which must not communicate, unless an earlier attempt failed; keeps its exception.
  void attempt(const std::function<void()>& body);
  bool failed() const { return failure_ != nullptr; }

  // Collective: where an attempt failed on any rank, all ranks throw the error of the lowest such rank.
  void settle(const Comm& comm) const;

 private:
  std::exception_ptr failure_;
};

// One attempt on every rank, then settled. Collective.
void together(const Comm& comm, const std::function<void()>& body);

}  // namespace longspan
