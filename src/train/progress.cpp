#include "train/progress.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <format>
#include <iostream>

#include "base/error.hpp"
#include "tensor/memory.hpp"

namespace longspan {
namespace {

// A launcher such as mpirun gives its ranks a terminal of their own: what counts is where the launcher's output goes.
bool watched_on_terminal() {
  if (isatty(STDOUT_FILENO) == 0) return false;
  if (std::getenv("PMIX_RANK") == nullptr) return true;
  const int output = open(std::format("/proc/{}/fd/1", getppid()).c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK);
  if (output < 0) return false;
  const bool terminal = isatty(output) != 0;
  close(output);
  return terminal;
}

}  // namespace

std::string format_duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds)));
  if (s >= 3600) return std::format("{}h{:02}m", s / 3600, s / 60 % 60);
  if (s >= 60) return std::format("{}m{:02}s", s / 60, s % 60);
  return std::format("{}s", s);
}

std::string format_count(double count) {
  if (count >= 1e9) return std::format("{:.1f}G", count / 1e9);
  if (count >= 1e6) return std::format("{:.1f}M", count / 1e6);
  if (count >= 1e3) return std::format("{:.1f}k", count / 1e3);
  return std::format("{:.0f}", count);
}

std::string ProgressLine::text() const {
  const std::string answers = accuracy ? std::format("  accuracy {:5.1f}%", 100 * *accuracy) : "";
  return std::format("step {:>{}}/{}  loss {:.4f}{}  {:>6} tokens/s  {:>3.0f}% of matrix rate  peak {}  {} left", step,
                     std::to_string(steps).size(), steps, loss, answers, format_count(tokens_per_second),
                     100 * utilisation, format_bytes(static_cast<double>(peak_bytes)), format_duration(seconds_left));
}

Reporter::Reporter(bool speaks, const std::string& log) : speaks_(speaks), terminal_(watched_on_terminal()) {
  if (!speaks_) return;
  log_.open(log, std::ios::app);
  if (!log_) throw EnvironmentError("cannot write {}; check the folder's permissions and the space left", log);
}

void Reporter::say(const std::string& line) {
  if (!speaks_) return;
  erase_line();
  std::cout << line << std::endl;
  log_.clear();  // a disk that was full may have space again
  log_ << line << std::endl;
}

void Reporter::progress(const ProgressLine& line, bool important) {
  if (!speaks_) return;
  if (important) {
    say(line.text());
  } else if (terminal_) {
    erase_line();
    std::cout << line.text() << std::flush;
    line_open_ = true;
  }
}

void Reporter::erase_line() {
  if (line_open_) std::cout << "\r\033[K";
  line_open_ = false;
}

}  // namespace longspan
