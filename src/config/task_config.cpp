#include "config/task_config.hpp"

#include "base/error.hpp"

namespace longspan {
namespace {

void at_least(const char* key, std::int64_t value, std::int64_t lowest, const std::string& task) {
  if (value >= lowest) return;
  throw UserError("{} = {} is too small for data.task = {}; use {} or more", key, value, task, lowest);
}

}  // namespace

void bind(Options& options, TaskConfig& config) {
  options.add("task.vocabulary", config.vocabulary, "Tokens of mqar, induction, copy and noise.")
      .add("task.pairs", config.pairs, "Key-value pairs in a sequence of mqar.")
      .add("task.items", config.items, "Tokens to be copied in a sequence of copy.")
      .add("task.modulus", config.modulus, "Modulus of modular.")
      .add_choice("task.answers", config.answers, {"every", "last"},
                  "Which results parity, modular and s5 ask for: that of every position, or the last alone.");
}

void check(const TaskConfig& c, const std::string& task, std::int64_t length) {
  const char* const positions = "data.sequence_length";
  if (task == "mqar") {
    at_least("task.pairs", c.pairs, 1, task);
    // Keys are 1 to V/2 - 1, values V/2 to V - 1.
    at_least("task.vocabulary", c.vocabulary, 2 * c.pairs + 2, task);
    at_least(positions, length, 4 * c.pairs, task);
  } else if (task == "induction") {
    at_least("task.vocabulary", c.vocabulary, 2, task);
    at_least(positions, length, 3, task);
  } else if (task == "copy") {
    at_least("task.items", c.items, 1, task);
    at_least("task.vocabulary", c.vocabulary, 3, task);
    at_least(positions, length, 2 * c.items, task);
  } else if (task == "noise") {
    at_least("task.vocabulary", c.vocabulary, 1, task);
  } else if (task == "modular") {
    at_least("task.modulus", c.modulus, 2, task);
  }
}

}  // namespace longspan
