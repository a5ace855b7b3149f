// What a run tells: a progress line that is rewritten on a terminal and printed now and then elsewhere, and the log.
// Only rank 0 speaks.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

namespace longspan {

struct ProgressLine {
  std::int64_t step = 0, steps = 0;  // steps done
  double loss = 0;
  std::optional<double> accuracy = {};  // of the answers of a task
  double tokens_per_second = 0;
  double utilisation = 0;      // of the measured matrix rate of all ranks, 0 to 1
  std::size_t peak_bytes = 0;  // of the fullest rank
  double seconds_left = 0;

  std::string text() const;
};

// "2h05m", "3m12s", "8s".
std::string format_duration(double seconds);
// "41.2k", "1.3M".
std::string format_count(double count);

class Reporter {
 public:
  // Lines go to the end of the file `log` as well. `speaks` is true on rank 0 alone.
  Reporter(bool speaks, const std::string& log);

  void say(const std::string& line);                        // terminal and log
  void progress(const ProgressLine& line, bool important);  // important: printed even where nobody watches

 private:
  void erase_line();

  bool speaks_, terminal_, line_open_ = false;
  std::ofstream log_;
};

}  // namespace longspan
