// The pipeline schedules that have a name. Stage p of P, m microbatches, v chunks a stage ("virtual stages"); what is
// alive counts chunks.
//   gpipe        all forwards, then all backwards (Huang et al. 2019). Alive: m.
//   1f1b         min(P - 1 - p, m) warm-up forwards, then one forward and one backward in turn, then the rest
//                (Narayanan et al. 2020, "PipeDream-2BW"). Alive: min(P - p, m).
//   interleaved  the same with v chunks a stage in turn, P microbatches at a time on each (Narayanan et al. 2021,
//                "Megatron-LM"). Alive: 2 (P - 1 - p) + (v - 1) P + 1. With m no multiple of P it is the schedule of
//                the next multiple without the microbatches that do not exist.
//   zb-h1        1f1b with the backward in two parts: the weight's part follows p microbatches behind the input's and
//                fills the drain (Qi et al. 2023, "Zero bubble pipeline parallelism"). Alive: min(P, m), no more than
//                1f1b's first stage; put off: p + 1.
//   zb-v         two chunks a stage in the V placement (Qi et al. 2024, "Pipeline parallelism with controllable
//                memory"). Alive: 2 P chunks, which is 1f1b's memory; put off: 2 p + 1. With m < 2 P it is the schedule
//                of 2 P microbatches without those that do not exist.
#pragma once

#include <string>
#include <vector>

#include "layout/schedule.hpp"

namespace longspan {

const std::vector<std::string>& schedule_names();

// How many chunks a stage has where the user leaves it open: 2 for interleaved and zb-v, else 1.
int default_chunks(const std::string& name);

// By name, checked; `chunks` a stage. A UserError lists the names otherwise.
Schedule make_schedule(const std::string& name, int stages, int microbatches, int chunks);

// Forwards alone of the chunks placed so: evaluation. Each microbatch starts as soon as stage 0 is free.
Schedule forward_schedule(const std::vector<int>& stage_of, int stages, int microbatches);

}  // namespace longspan
