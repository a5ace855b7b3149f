#include "pipeline/timeline_files.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <set>

namespace longspan {
namespace {

constexpr double kLeft = 150, kWidth = 1200, kRow = 22, kTitle = 30, kAxis = 34;

struct Colour {
  ActionKind kind;
  const char* light;  // even chunks of a stage
  const char* dark;   // odd ones
};
constexpr Colour kColours[] = {{ActionKind::forward, "#9ecae9", "#4c78a8"},
                               {ActionKind::backward, "#88d27a", "#54a24b"},
                               {ActionKind::backward_input, "#83c9c4", "#439894"},
                               {ActionKind::backward_weight, "#ffbf79", "#e58a2a"}};

double end_of(const TimelinePanel& panel) {
  double end = 0;
  for (const Track& track : panel.tracks) {
    for (const TimedAction& a : track.actions) end = std::max(end, a.end);
  }
  return end;
}

// 1, 2 or 5 times a power of ten, at most a tenth of the whole.
double tick(double whole) {
  const double power = std::pow(10.0, std::floor(std::log10(whole / 10)));
  for (const double factor : {5.0, 2.0}) {
    if (factor * power <= whole / 10) return factor * power;
  }
  return power;
}

std::string text(double x, double y, const char* anchor, const std::string& words) {
  return std::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, words);
}

// Chunks of a track in the order of depth: which of them are drawn dark.
std::string draw_track(const Track& track, double y, double scale) {
  std::set<int> chunks;
  for (const TimedAction& a : track.actions) chunks.insert(a.action.chunk);
  std::string svg = text(kLeft - 8, y + 0.7 * kRow, "end", track.name);
  for (const TimedAction& a : track.actions) {
    const double x = kLeft + a.begin * scale, width = (a.end - a.begin) * scale;
    const auto colour = std::find_if(std::begin(kColours), std::end(kColours),
                                     [&](const Colour& c) { return c.kind == a.action.kind; });
    const bool dark = std::distance(chunks.begin(), chunks.find(a.action.chunk)) % 2 == 1;
    svg += std::format(
        "<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\" fill=\"{}\" stroke=\"white\" "
        "stroke-width=\"0.5\"><title>{}: {:.6g} to {:.6g}</title></rect>\n",
        x, y + 1, width, kRow - 2, dark ? colour->dark : colour->light, a.action.str(), a.begin, a.end);
    if (width > 14) svg += text(x + width / 2, y + 0.7 * kRow, "middle", std::to_string(a.action.microbatch));
  }
  return svg;
}

std::string draw_axis(double y, double end, double scale, const std::string& unit) {
  std::string svg;
  const double step = tick(end);
  for (int i = 0; i * step <= end * (1 + 1e-9); ++i) {
    const double x = kLeft + i * step * scale;
    svg += std::format("<line x1=\"{0:.2f}\" y1=\"{1:.1f}\" x2=\"{0:.2f}\" y2=\"{2:.1f}\" stroke=\"#888\"/>\n", x, y,
                       y + 5);
    svg += text(x, y + 18, "middle", std::format("{:.6g}", i * step));
  }
  return svg + text(kLeft - 8, y + 18, "end", unit);
}

std::string draw_legend() {
  std::string svg;
  double x = kLeft;
  for (const Colour& colour : kColours) {
    svg += std::format("<rect x=\"{:.1f}\" y=\"8\" width=\"14\" height=\"14\" fill=\"{}\"/>\n", x, colour.light);
    svg += std::format("<rect x=\"{:.1f}\" y=\"8\" width=\"14\" height=\"14\" fill=\"{}\"/>\n", x + 14, colour.dark);
    svg += text(x + 34, 20, "start", to_string(colour.kind));
    x += 170;
  }
  return svg + text(x, 20, "start", "light, dark: the chunks of a stage in turn");
}

}  // namespace

TimelinePanel make_panel(const std::string& title, const Timeline& timeline) {
  TimelinePanel panel{title, {}};
  for (std::size_t stage = 0; stage < timeline.size(); ++stage) {
    panel.tracks.push_back({std::format("stage {}", stage), timeline[stage]});
  }
  return panel;
}

std::string chrome_trace(const std::vector<TimelinePanel>& panels, double microseconds) {
  std::string events;
  const auto add = [&events](const std::string& event) { events += (events.empty() ? "\n" : ",\n") + event; };
  for (std::size_t pid = 0; pid < panels.size(); ++pid) {
    add(std::format(R"({{"name":"process_name","ph":"M","pid":{},"args":{{"name":"{}"}}}})", pid, panels[pid].title));
    for (std::size_t tid = 0; tid < panels[pid].tracks.size(); ++tid) {
      const Track& track = panels[pid].tracks[tid];
      add(std::format(R"({{"name":"thread_name","ph":"M","pid":{},"tid":{},"args":{{"name":"{}"}}}})", pid, tid,
                      track.name));
      for (const TimedAction& a : track.actions) {
        add(std::format(
            R"({{"name":"{}","cat":"{}","ph":"X","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{"microbatch":{},"chunk":{}}}}})",
            a.action.str(), to_string(a.action.kind), pid, tid, a.begin * microseconds,
            (a.end - a.begin) * microseconds, a.action.microbatch, a.action.chunk));
      }
    }
  }
  return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[" + events + "\n]}\n";
}

std::string draw_timelines(const std::vector<TimelinePanel>& panels, const std::string& unit) {
  double end = 0, y = kTitle;
  for (const TimelinePanel& panel : panels) end = std::max(end, end_of(panel));
  const double scale = end > 0 ? kWidth / end : 0;
  std::string body = draw_legend();
  for (const TimelinePanel& panel : panels) {
    body += text(kLeft, y + 20, "start", panel.title);
    y += kTitle;
    for (const Track& track : panel.tracks) {
      body += draw_track(track, y, scale);
      y += kRow;
    }
    if (end > 0) body += draw_axis(y, end, scale, unit);
    y += kAxis;
  }
  return std::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
             "{1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
             "fill=\"white\"/>\n",
             kLeft + kWidth + 20, y) +
         body + "</svg>\n";
}

}  // namespace longspan
