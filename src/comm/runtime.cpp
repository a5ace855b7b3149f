#include "comm/runtime.hpp"

#include <cstdio>
#include <exception>
#include <format>
#include <new>
#include <optional>
#include <string>

#include "comm/handle.hpp"
#include "comm/request.hpp"
#include "comm/session.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

constexpr double kGraceSeconds = 3;  // for the other ranks to fail too
constexpr int kInternalError = 1;

struct Failure {
  int code;
  const char* kind;
  std::string sentence;
};

Failure current_failure() {
  try {
    throw;
  } catch (const Error& e) {
    return {static_cast<int>(e.code()), "error", e.what()};
  } catch (const std::bad_alloc&) {
    return {static_cast<int>(ExitCode::environment), "error",
            "this machine has no memory left; use more nodes or a smaller batch"};
  } catch (const std::exception& e) {
    return {kInternalError, "internal error", e.what()};
  } catch (...) {
    return {kInternalError, "internal error", "an exception of unknown type"};
  }
}

void print_line(const std::string& text) {
  std::fputs((text + "\n").c_str(), stderr);
  std::fflush(stderr);
}

void print_with_rank(const Failure& failure, int rank) {
  print_line(std::format("{} on rank {}: {}", failure.kind, rank, failure.sentence));
}

// Every rank that failed comes here. All of them: a sentence that all say is printed once, and each ends by itself.
// Only some: the others are in the middle of something and must be ended.
int settle(const Failure& failure, const Comm& all) {
  MPI_Request everybody = MPI_REQUEST_NULL;
  MPI_Ibarrier(native(all), &everybody);
  const bool all_failed = poll(kGraceSeconds, [&everybody] {
    int done = 0;
    MPI_Test(&everybody, &done, MPI_STATUS_IGNORE);
    return done != 0;
  });
  if (!all_failed) {
    print_with_rank(failure, all.rank());
    abort_all(failure.code);
  }
  const std::string first = all.broadcast_text(failure.sentence, 0);
  if (all.rank() == 0) {
    print_line(std::format("{}: {}", failure.kind, failure.sentence));
  } else if (failure.sentence != first) {
    print_with_rank(failure, all.rank());
  }
  // Messages that were given up would let MPI_Finalize wait for ever.
  const auto abandoned = static_cast<std::int64_t>(abandoned_requests());
  if (all.all_reduce_value(abandoned) > 0) abort_all(failure.code);
  return failure.code;
}

}  // namespace

int run_program(int argc, char** argv, const std::function<int(const Comm& world)>& body) {
  MpiSession session(&argc, &argv);
  const Comm failures = session.group_of_all("failures");
  std::optional<Failure> failure;
  int code = 0;
  try {
    DeviceScope device(session.default_threads(), session.local_rank());
    code = body(session.group_of_all("world"));
  } catch (...) {
    failure = current_failure();
  }
  return failure ? settle(*failure, failures) : code;
}

}  // namespace longspan
