// SIGTERM and SIGUSR1 (what a scheduler sends before it takes the nodes) ask a run to stop after the present step, with
// a checkpoint. The same signal a second time, seconds later, ends this rank at once, and the launcher then ends the
// others.
#pragma once

namespace longspan {

void watch_stop_signals();    // at the program's start, so that none meets the default, a death without a checkpoint
bool stop_requested();        // by this rank's signals; ranks agree on it once a step
double seconds_since_stop();  // since the first of them; 0 before

}  // namespace longspan
