// What the tests of schedules share.
#pragma once

#include <algorithm>
#include <functional>
#include <string>

#include "base/error.hpp"
#include "layout/make_schedule.hpp"

namespace longspan {

inline Schedule make(const std::string& name, int stages, int microbatches) {
  return make_schedule(name, stages, microbatches, default_chunks(name));
}

// What check() says, or nothing if it lets the schedule pass.
inline std::string refusal(const Schedule& schedule) {
  try {
    check(schedule);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

inline auto find(Schedule& schedule, int stage, const Action& action) {
  return std::find(schedule.actions[stage].begin(), schedule.actions[stage].end(), action);
}

}  // namespace longspan
