// What a run will do, in words: printed by --dry-run and at the head of every run.
#pragma once

#include <string>

#include "train/session.hpp"

namespace longspan {

// Collective.
std::string describe_plan(const Session& session);

}  // namespace longspan
