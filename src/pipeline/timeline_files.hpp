// Time lines of pipelines as files that people look at: the trace format of Chrome and Perfetto, and a drawing.
#pragma once

#include <string>
#include <vector>

#include "layout/replay.hpp"

namespace longspan {

struct Track {
  std::string name;  // "stage 0"
  std::vector<TimedAction> actions;
};

// Tracks that share a clock, from 0.
struct TimelinePanel {
  std::string title;
  std::vector<Track> tracks;
};

// One track a stage.
TimelinePanel make_panel(const std::string& title, const Timeline& timeline);

// JSON: a process a panel, a thread a track, a complete event an action. `microseconds` of one unit of time.
std::string chrome_trace(const std::vector<TimelinePanel>& panels, double microseconds);

// An SVG drawing: panels one below the other on one scale, a row a track, microbatch numbers in the boxes.
std::string draw_timelines(const std::vector<TimelinePanel>& panels, const std::string& unit);

}  // namespace longspan
