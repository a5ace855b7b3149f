#include "layout/replay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout/schedule_case.hpp"

namespace longspan {
namespace {

using enum ActionKind;

double bubble_of(const Schedule& schedule, const KindDurations& durations) {
  return bubble(replay(schedule, durations));
}

TEST(Replay, AnActionBeginsWhenItsStageAndItsInputsAre) {
  const Schedule schedule = make("1f1b", 2, 1);
  const Timeline timeline = replay(schedule, KindDurations{2, 1, 4});
  ASSERT_EQ(timeline[0].size(), 2u);
  EXPECT_EQ(timeline[1][0].begin, 2);  // forward of stage 1 after that of stage 0
  EXPECT_EQ(timeline[1][1].begin, 4);
  EXPECT_EQ(timeline[0][1].begin, 9);
  EXPECT_EQ(makespan(timeline), 14);
  EXPECT_DOUBLE_EQ(bubble(timeline), 0.5);
}

TEST(Replay, BubblesAreThoseOfTheirFormulas) {
  const KindDurations equal{1, 1, 1}, attention{1, 1.6, 0.7}, heavy{1, 1.9, 0.4};
  for (const KindDurations& d : {equal, attention, heavy}) {
    for (const int p : {1, 2, 4, 7, 16}) {
      for (const int m : {2 * p, 4 * p, 9 * p}) {
        for (const std::string& name : schedule_names()) {
          const Schedule schedule = make(name, p, m);
          const double formula = closed_form_bubble(schedule, d);
          ASSERT_GE(formula, 0);
          EXPECT_NEAR(bubble_of(schedule, d), formula, 1e-12)
              << name << " " << p << " " << m << " " << d.backward_input;
        }
      }
    }
  }
  // The formulas themselves, for equal durations.
  EXPECT_DOUBLE_EQ(closed_form_bubble(make("1f1b", 4, 8), equal), 3.0 / 11);
  EXPECT_DOUBLE_EQ(closed_form_bubble(make("gpipe", 4, 8), equal), 3.0 / 11);
  EXPECT_DOUBLE_EQ(closed_form_bubble(make_schedule("interleaved", 4, 8, 3), equal), 3.0 / 27);
  EXPECT_DOUBLE_EQ(closed_form_bubble(make("zb-h1", 4, 8), equal), 1.0 / 9);
  EXPECT_DOUBLE_EQ(closed_form_bubble(make("zb-v", 4, 8), equal), 3.0 / 51);
}

// Between its first and its last action no stage of zb-v idles.
TEST(Replay, TheVHasNoBubbleInside) {
  for (const int p : {2, 4, 8, 16}) {
    const Timeline timeline = replay(make("zb-v", p, 2 * p + 3), KindDurations{});
    for (const auto& stage : timeline) {
      for (std::size_t i = 1; i < stage.size(); ++i) EXPECT_EQ(stage[i].begin, stage[i - 1].end);
    }
  }
}

TEST(Replay, ZeroBubbleBeats1F1BAtTheSameMemory) {
  for (const int p : {2, 3, 4, 8}) {
    for (const int m : {1, p - 1, p, p + 1, 2 * p, 4 * p}) {
      for (const KindDurations& d : {KindDurations{1, 1, 1}, KindDurations{1, 1.6, 0.7}}) {
        const Schedule plain = make("1f1b", p, m);
        for (const char* name : {"zb-h1", "zb-v"}) {
          const Schedule zero = make(name, p, m);
          EXPECT_LT(bubble_of(zero, d), bubble_of(plain, d) + (m == 1 ? 1e-12 : 0)) << name << " " << p << " " << m;
          for (int stage = 0; stage < p; ++stage) {
            EXPECT_LE(peak_alive(zero, stage) * plain.chunks(), peak_alive(plain, 0) * zero.chunks());
          }
        }
      }
    }
  }
}

TEST(Replay, OtherNumbersOfMicrobatchesCostInterleavingLittle) {
  for (const int p : {2, 4, 8}) {
    for (int m = p; m <= 4 * p; ++m) {
      const double whole = bubble_of(make("interleaved", p, m), KindDurations{});
      EXPECT_LE(whole, bubble_of(make("1f1b", p, m), KindDurations{}) + 1e-12) << p << " " << m;
      EXPECT_EQ(closed_form_bubble(make("interleaved", p, m), KindDurations{}) < 0, m % p != 0);
    }
  }
}

TEST(Replay, NamesAStageThatWaitsForEver) {
  Schedule broken{.name = "by hand", .stages = 1, .microbatches = 1, .stage_of = {0}};
  broken.actions = {{{backward, 0, 0}, {forward, 0, 0}}};
  EXPECT_THROW(replay(broken, KindDurations{}), UserError);
}

}  // namespace
}  // namespace longspan
