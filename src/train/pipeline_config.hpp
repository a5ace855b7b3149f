// The pipeline that a configuration asks for: its schedule, and which layers each chunk of the model has.
#pragma once

#include "config/run_config.hpp"
#include "layout/schedule.hpp"
#include "layout/stages.hpp"
#include "models/decoder_settings.hpp"

namespace longspan {

// parallel.schedule for parallel.pipeline stages, checked. UserError naming the key or, of a file, the action.
Schedule pipeline_schedule(const ParallelConfig& parallel);

// parallel.stage_layers, or the layers shared by their FLOPs and the head's.
ModelSplit pipeline_split(const TrainConfig& config, const DecoderSettings& settings, const Schedule& schedule);

// Part of the stages' time in which nothing runs, by FLOPs alone: a chunk's input and weight gradients cost its forward
// each, messages nothing. Uneven chunks count.
double planned_bubble(const Schedule& schedule, const ModelSplit& split, const DecoderSettings& settings,
                      std::int64_t sequence_length);

}  // namespace longspan
