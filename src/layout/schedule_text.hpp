// Schedules as text, a line a stage: docs/schedule_format.md.
#pragma once

#include <string>

#include "layout/schedule.hpp"

namespace longspan {

std::string to_text(const Schedule& schedule);

// `name` is what errors call it. Sends and receives are added where the text has none. UserError naming line and word;
// not yet checked.
Schedule parse_schedule(const std::string& text, const std::string& name);

// The schedule of a file, checked, for this number of stages and microbatches.
Schedule read_schedule(const std::string& path, int stages, int microbatches);

}  // namespace longspan
