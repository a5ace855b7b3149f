#include "pipeline/timeline_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout/make_schedule.hpp"
#include "pipeline/measured_step.hpp"

namespace longspan {
namespace {

using testing::HasSubstr;

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

const Schedule kSchedule = make_schedule("zb-v", 2, 3, 2);
const Timeline kTimeline = replay(kSchedule, KindDurations{1, 2, 0.5});

TEST(TimelineFiles, TheTraceHasAnEventForEachAction) {
  const std::string json = chrome_trace({make_panel("one", kTimeline), make_panel("two", kTimeline)}, 1000);
  EXPECT_EQ(count(json, R"("ph":"X")"), 2 * 3 * 4 * 3);
  EXPECT_EQ(count(json, R"("ph":"X","pid":1)"), 3 * 4 * 3);
  EXPECT_EQ(count(json, "process_name"), 2);
  EXPECT_EQ(count(json, "thread_name"), 4);
  EXPECT_THAT(
      json,
      HasSubstr(
          R"({"name":"forward 0 of chunk 1","cat":"forward","ph":"X","pid":0,"tid":1,"ts":1000.000,"dur":1000.000,"args":{"microbatch":0,"chunk":1}})"));
}

TEST(TimelineFiles, TheDrawingHasABoxForEachActionAndStaysInside) {
  const std::string svg = draw_timelines({make_panel("one", kTimeline)}, "time");
  EXPECT_EQ(count(svg, "<title>"), 3 * 4 * 3);
  EXPECT_EQ(count(svg, ">stage "), 2);
  EXPECT_EQ(count(svg, "nan") + count(svg, "inf"), 0);
  EXPECT_THAT(draw_timelines({}, "time"), HasSubstr("</svg>"));
}

TEST(MeasuredStep, MeansAreByKind) {
  const TimelinePanel panel = make_panel("", kTimeline);
  const KindDurations mean = mean_durations(panel.tracks);
  EXPECT_DOUBLE_EQ(mean.forward, 1);
  EXPECT_DOUBLE_EQ(mean.backward_input, 2);
  EXPECT_DOUBLE_EQ(mean.backward_weight, 0.5);
  const KindDurations whole =
      mean_durations({{"", {{{ActionKind::backward, 0, 0}, 0, 3}, {{ActionKind::backward, 1, 0}, 3, 4}}}});
  EXPECT_DOUBLE_EQ(whole.forward, 0);
  EXPECT_DOUBLE_EQ(whole.backward_input, 2);
}

}  // namespace
}  // namespace longspan
