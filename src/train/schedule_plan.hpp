// `longspan-bench schedule`: the plan of a pipeline schedule, without a model.
#pragma once

#include "comm/comm.hpp"

namespace longspan {

// Reads its own options from argv, prints the bubble and what each stage keeps, and writes the schedule's list, trace
// and drawing where asked. On one rank; returns the exit code.
int plan_schedule(int argc, const char* const* argv, const Comm& world);

}  // namespace longspan
