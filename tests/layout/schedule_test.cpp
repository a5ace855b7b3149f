#include "layout/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "layout/replay.hpp"
#include "layout/schedule_case.hpp"

namespace longspan {
namespace {

using enum ActionKind;

// Every schedule on many sizes, odd ones and some as large as a cluster's.
void for_each_schedule(const std::function<void(const Schedule&)>& body) {
  std::set<std::pair<int, int>> sizes = {{16, 37}, {24, 5}, {32, 64}, {64, 1}, {64, 100}};
  for (int stages = 1; stages <= 9; ++stages) {
    for (const int microbatches : {1, 2, 3, 5, 8, 17, 24}) sizes.insert({stages, microbatches});
  }
  for (const auto& [stages, microbatches] : sizes) {
    for (const std::string& name : schedule_names()) {
      for (const int chunks : name == "interleaved" ? std::vector{2, 3, 4} : std::vector{default_chunks(name)}) {
        const Schedule schedule = make_schedule(name, stages, microbatches, chunks);
        SCOPED_TRACE(testing::Message() << name << " " << stages << " stages, " << microbatches << " microbatches, "
                                        << chunks << " chunks a stage");
        body(schedule);
      }
    }
  }
}

TEST(Schedule, IsCompleteAndProved) {
  for_each_schedule([](const Schedule& schedule) {
    EXPECT_EQ(refusal(schedule), "");
    // Counted here, apart from what check() counts.
    std::set<std::tuple<ActionKind, int, int>> ran;
    std::size_t count = 0;
    for (int stage = 0; stage < schedule.stages; ++stage) {
      for (const Action& a : schedule.actions[stage]) {
        EXPECT_EQ(schedule.stage_of[a.chunk], stage);
        count += a.kind == backward ? 2 : is_message(a.kind) ? 0 : 1;
        ran.insert({a.kind, a.microbatch, a.chunk});
      }
    }
    EXPECT_EQ(count, 3u * schedule.microbatches * schedule.chunks());
    for (int chunk = 0; chunk < schedule.chunks(); ++chunk) {
      for (int m = 0; m < schedule.microbatches; ++m) {
        EXPECT_TRUE(ran.count({forward, m, chunk}));
        EXPECT_TRUE(ran.count({backward, m, chunk}) || ran.count({backward_weight, m, chunk}));
      }
    }
  });
}

TEST(Schedule, MemoryIsBoundedWhateverTheMicrobatches) {
  for_each_schedule([](const Schedule& s) {
    const int p = s.stages, m = s.microbatches, v = s.chunks() / p;
    for (int stage = 0; stage < p; ++stage) {
      const int alive = s.name == "gpipe"         ? m
                        : s.name == "1f1b"        ? p - stage
                        : s.name == "interleaved" ? 2 * (p - 1 - stage) + (v - 1) * p + 1
                                                  : v * p;
      const int stash = s.name == "zb-h1" ? stage + 1 : s.name == "zb-v" ? 2 * stage + 1 : 0;
      EXPECT_LE(peak_alive(s, stage), std::min(alive, m * v)) << "stage " << stage;
      EXPECT_LE(peak_stash(s, stage), std::min(stash, m * v)) << "stage " << stage;
      if (m >= 2 * p && m % p == 0) {  // the bounds are reached
        EXPECT_EQ(peak_alive(s, stage), std::min(alive, m * v)) << "stage " << stage;
        EXPECT_EQ(peak_stash(s, stage), std::min(stash, m * v)) << "stage " << stage;
      }
    }
  });
}

// Inputs that wait for their turn are memory too: no stage offers buffers far ahead.
TEST(Schedule, FewReceivedTensorsWait) {
  for_each_schedule([](const Schedule& s) {
    for (int stage = 0; stage < s.stages; ++stage) {
      int waiting = 0, peak = 0;
      for (const Action& a : s.actions[stage]) {
        waiting += a.kind == receive_forward || a.kind == receive_backward;
        if (a.kind == forward && s.from_other_stage(a.chunk)) --waiting;
        if (gives_input_gradient(a.kind) && s.to_other_stage(a.chunk)) --waiting;
        peak = std::max(peak, waiting);
      }
      EXPECT_LE(peak, s.name == "gpipe" || s.name == "1f1b" || s.name == "zb-h1" ? 3 : 2 * s.stages)
          << "stage " << stage;
    }
  });
}

TEST(Schedule, FirstAndLastStageHaveOneNeighbourOnly) {
  const Schedule schedule = make("1f1b", 2, 1);
  EXPECT_EQ(schedule.actions[0],
            (std::vector<Action>{{forward, 0, 0}, {send_forward, 0, 0}, {receive_backward, 0, 0}, {backward, 0, 0}}));
  EXPECT_EQ(schedule.actions[1],
            (std::vector<Action>{{receive_forward, 0, 1}, {forward, 0, 1}, {backward, 0, 1}, {send_backward, 0, 1}}));
  EXPECT_EQ(make("gpipe", 1, 2).actions[0],
            (std::vector<Action>{{forward, 0, 0}, {forward, 1, 0}, {backward, 0, 0}, {backward, 1, 0}}));
}

TEST(Schedule, ChunksOfOneStageSendNothing) {
  const Schedule v = make("zb-v", 1, 1);
  EXPECT_EQ(v.actions[0], (std::vector<Action>{{forward, 0, 0},
                                               {forward, 0, 1},
                                               {backward_input, 0, 1},
                                               {backward_weight, 0, 1},
                                               {backward_input, 0, 0},
                                               {backward_weight, 0, 0}}));
  EXPECT_EQ(make("zb-v", 3, 1).stage_of, (std::vector<int>{0, 1, 2, 2, 1, 0}));
  EXPECT_EQ(make("interleaved", 3, 1).stage_of, (std::vector<int>{0, 1, 2, 0, 1, 2}));
}

TEST(Schedule, PeakIsTheLargestNumberAliveNotTheLast) {
  const Schedule schedule{"by hand",
                          1,
                          3,
                          {0},
                          {{{forward, 0, 0},
                            {forward, 1, 0},
                            {backward_input, 1, 0},
                            {backward_input, 0, 0},
                            {backward_weight, 1, 0},
                            {backward_weight, 0, 0},
                            {forward, 2, 0},
                            {backward, 2, 0}}}};
  EXPECT_EQ(peak_alive(schedule, 0), 2);
  EXPECT_EQ(peak_stash(schedule, 0), 2);
  EXPECT_EQ(refusal(schedule), "");
}

TEST(Schedule, IsMadeByName) {
  EXPECT_THROW(make_schedule("zigzag", 3, 5, 1), UserError);
  EXPECT_THROW(make_schedule("1f1b", 0, 5, 1), UserError);
  EXPECT_THROW(make_schedule("gpipe", 3, 0, 1), UserError);
  EXPECT_THROW(make_schedule("gpipe", 3, 4, 2), UserError);
  EXPECT_THROW(make_schedule("interleaved", 3, 4, 1), UserError);
  EXPECT_THROW(make_schedule("zb-v", 3, 4, 3), UserError);
}

TEST(Schedule, ForwardsAloneKeepAllStagesAtWork) {
  for (const auto& stage_of : {place_in_turn(4, 1), place_in_turn(3, 2), place_in_v(4), place_in_turn(1, 2)}) {
    const int stages = *std::max_element(stage_of.begin(), stage_of.end()) + 1;
    const int chunks = static_cast<int>(stage_of.size()), m = 12;
    const Schedule schedule = forward_schedule(stage_of, stages, m);
    const Timeline timeline = replay(schedule, KindDurations{});
    EXPECT_LE(makespan(timeline), m * chunks / stages + 2 * (stages - 1)) << stages;
  }
}

}  // namespace
}  // namespace longspan
