// Errors that name what is wrong, where, and the mend. The type decides the exit code of a program.
//   UserError         a wrong configuration, file, mesh or flag          exit 2
//   EnvironmentError  the machine lacks something (space, memory, MPI)    exit 3
//   DivergedError     training produced no finite loss any more          exit 4
// LONGSPAN_CHECK is for contracts between our own functions; it names the file and line.
#pragma once

#include <format>
#include <stdexcept>
#include <string>

namespace longspan {

enum class ExitCode : int { done = 0, user = 2, environment = 3, diverged = 4, stopped = 75 };

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

struct UserError : Error {
  template <class... Args>
  explicit UserError(std::format_string<Args...> text, Args&&... args)
      : Error(ExitCode::user, std::format(text, std::forward<Args>(args)...)) {}
};

struct EnvironmentError : Error {
  template <class... Args>
  explicit EnvironmentError(std::format_string<Args...> text, Args&&... args)
      : Error(ExitCode::environment, std::format(text, std::forward<Args>(args)...)) {}
};

struct DivergedError : Error {
  template <class... Args>
  explicit DivergedError(std::format_string<Args...> text, Args&&... args)
      : Error(ExitCode::diverged, std::format(text, std::forward<Args>(args)...)) {}
};

[[noreturn]] inline void check_failed(const char* file, int line, const std::string& text) {
  throw std::logic_error(std::format("{} ({}:{})", text, file, line));
}

}  // namespace longspan

#define LONGSPAN_CHECK(condition, ...)                                        \
  do {                                                                        \
    if (!(condition)) {                                                       \
      ::longspan::check_failed(__FILE__, __LINE__, std::format(__VA_ARGS__)); \
    }                                                                         \
  } while (false)
