// What a run will do, in words.
#pragma once

#include <string>

#include "train/session.hpp"

namespace longspan {

// The head of a run. Collective.
std::string describe_plan(const Session& session);

// What --dry-run prints, for any mesh on any number of ranks: a training step is run shape-only for the fullest rank of
// each pipeline stage (train/step_account.hpp). Rank 0 does it, and it alone gets the text. Collective.
std::string describe_dry_run(const TrainConfig& config, const Comm& world);

}  // namespace longspan
