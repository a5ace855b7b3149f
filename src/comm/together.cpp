#include "comm/together.hpp"

#include <stdexcept>
#include <string>

namespace longspan {
namespace {

struct Failure {
  int code = 0;  // of an Error; 0: any other exception
  std::string sentence;
};

Failure describe(const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const Error& error) {
    return {static_cast<int>(error.code()), error.what()};
  } catch (const std::exception& error) {
    return {0, error.what()};
  }
  return {};
}

[[noreturn]] void raise(const Failure& failure) {
  switch (static_cast<ExitCode>(failure.code)) {
    case ExitCode::user:
      throw UserError("{}", failure.sentence);
    case ExitCode::environment:
      throw EnvironmentError("{}", failure.sentence);
    case ExitCode::diverged:
      throw DivergedError("{}", failure.sentence);
    default:
      throw std::runtime_error(failure.sentence);
  }
}

}  // namespace

void Outcome::attempt(const std::function<void()>& body) {
  if (failure_) return;
  try {
    body();
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void Outcome::settle(const Comm& comm) const {
  const std::int64_t first = comm.all_reduce_value(std::int64_t{failure_ ? comm.rank() : comm.size()}, Reduce::min);
  if (first == comm.size()) return;
  const Failure own = describe(failure_);
  const int root = static_cast<int>(first);
  raise({std::stoi(comm.broadcast_text(std::to_string(own.code), root)), comm.broadcast_text(own.sentence, root)});
}

void together(const Comm& comm, const std::function<void()>& body) {
  Outcome outcome;
  outcome.attempt(body);
  outcome.settle(comm);
}

}  // namespace longspan
