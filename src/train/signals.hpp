// SIGTERM and SIGUSR1 (what a scheduler sends before it takes the nodes) ask a run to stop after the present step, with
// a checkpoint.
#pragma once

namespace longspan {

void watch_stop_signals();
bool stop_requested();  // by this rank's signals; ranks agree on it once a step

}  // namespace longspan
