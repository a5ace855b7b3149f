#include "layout/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "base/error.hpp"

namespace longspan {
namespace {

using testing::HasSubstr;
using Maker = Schedule (*)(int stages, int microbatches);

void for_each_schedule(const std::function<void(const Schedule&)>& body) {
  for (const Maker make : {one_forward_one_backward, gpipe}) {
    for (int stages = 1; stages <= 9; ++stages) {
      for (const int microbatches : {1, 2, 3, 5, 8, 17}) {
        const Schedule schedule = make(stages, microbatches);
        SCOPED_TRACE(testing::Message() << schedule.name << " " << stages << " stages, " << microbatches);
        body(schedule);
      }
    }
  }
}

// What check() says, or nothing if it lets the schedule pass.
std::string refusal(const Schedule& schedule) {
  try {
    check(schedule);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

auto find(Schedule& schedule, int stage, ActionKind kind, int microbatch) {
  std::vector<Action>& actions = schedule.actions[stage];
  return std::find(actions.begin(), actions.end(), Action{kind, microbatch});
}

// When the last action ends if messages take no time: each action starts as early as its stage and its message allow.
int makespan(const Schedule& schedule, int forward_time, int backward_time) {
  std::map<std::tuple<ActionKind, int, int>, int> sent;  // (kind, sending stage, microbatch) -> time
  std::vector<int> clock(schedule.stages, 0);
  std::vector<std::size_t> next(schedule.stages, 0);
  for (bool moved = true; moved;) {
    moved = false;
    for (int stage = 0; stage < schedule.stages; ++stage) {
      if (next[stage] == schedule.actions[stage].size()) continue;
      const Action action = schedule.actions[stage][next[stage]];
      if (action.kind == ActionKind::receive_forward || action.kind == ActionKind::receive_backward) {
        const bool down = action.kind == ActionKind::receive_forward;
        const auto message = sent.find({down ? ActionKind::send_forward : ActionKind::send_backward,
                                        down ? stage - 1 : stage + 1, action.microbatch});
        if (message == sent.end()) continue;
        clock[stage] = std::max(clock[stage], message->second);
      }
      if (action.kind == ActionKind::forward) clock[stage] += forward_time;
      if (action.kind == ActionKind::backward) clock[stage] += backward_time;
      sent[{action.kind, stage, action.microbatch}] = clock[stage];
      ++next[stage];
      moved = true;
    }
  }
  return *std::max_element(clock.begin(), clock.end());
}

TEST(Schedule, IsProvedForManyStagesAndMicrobatches) {
  for_each_schedule([](const Schedule& schedule) { EXPECT_EQ(refusal(schedule), ""); });
  EXPECT_EQ(refusal(one_forward_one_backward(100, 64)), "");
  EXPECT_EQ(refusal(gpipe(64, 100)), "");
}

TEST(Schedule, FirstAndLastStageHaveOneNeighbourOnly) {
  const Schedule schedule = one_forward_one_backward(2, 1);
  using enum ActionKind;
  EXPECT_EQ(schedule.actions[0],
            (std::vector<Action>{{forward, 0}, {send_forward, 0}, {receive_backward, 0}, {backward, 0}}));
  EXPECT_EQ(schedule.actions[1],
            (std::vector<Action>{{receive_forward, 0}, {forward, 0}, {backward, 0}, {send_backward, 0}}));
  EXPECT_EQ(gpipe(1, 2).actions[0], (std::vector<Action>{{forward, 0}, {forward, 1}, {backward, 0}, {backward, 1}}));
}

TEST(Schedule, AliveMicrobatchesAreBounded) {
  for_each_schedule([](const Schedule& schedule) {
    for (int stage = 0; stage < schedule.stages; ++stage) {
      const int bound = schedule.name == "1f1b" ? schedule.stages - stage : schedule.microbatches;
      EXPECT_EQ(peak_alive(schedule, stage), std::min(bound, schedule.microbatches));
    }
  });
}

// Of (M + P - 1)(forward + backward) only the first P - 1 are idle: the bubble of both schedules.
TEST(Schedule, IdleTimeIsThatOfTheBubble) {
  for_each_schedule([](const Schedule& schedule) {
    const int rounds = schedule.microbatches + schedule.stages - 1;
    EXPECT_EQ(makespan(schedule, 1, 1), rounds * 2);
    EXPECT_EQ(makespan(schedule, 1, 2), rounds * 3);
  });
}

TEST(Schedule, PeakIsTheLargestNumberAliveNotTheLast) {
  using enum ActionKind;
  const Schedule schedule{
      "by hand", 1, 3, {{{forward, 0}, {forward, 1}, {backward, 1}, {backward, 0}, {forward, 2}, {backward, 2}}}};
  EXPECT_EQ(peak_alive(schedule, 0), 2);
}

TEST(Schedule, IsMadeByName) {
  EXPECT_EQ(make_schedule("1f1b", 3, 5).actions, one_forward_one_backward(3, 5).actions);
  EXPECT_EQ(make_schedule("gpipe", 3, 5).actions, gpipe(3, 5).actions);
  EXPECT_THROW(make_schedule("zigzag", 3, 5), UserError);
  EXPECT_THROW(make_schedule("1f1b", 0, 5), UserError);
  EXPECT_THROW(make_schedule("gpipe", 3, 0), UserError);
}

TEST(ScheduleCheck, RefusesEveryMissingActionByStageAndName) {
  for (const Maker make : {one_forward_one_backward, gpipe}) {
    const Schedule whole = make(4, 5);
    for (int stage = 0; stage < whole.stages; ++stage) {
      for (std::size_t i = 0; i < whole.actions[stage].size(); ++i) {
        Schedule broken = whole;
        broken.actions[stage].erase(broken.actions[stage].begin() + i);
        EXPECT_THAT(refusal(broken), HasSubstr("stage " + std::to_string(stage)));
        EXPECT_THAT(refusal(broken), HasSubstr(whole.actions[stage][i].str()));
      }
    }
  }
}

TEST(ScheduleCheck, RefusesEveryRepeatedAction) {
  const Schedule whole = one_forward_one_backward(3, 4);
  for (int stage = 0; stage < whole.stages; ++stage) {
    for (const Action& action : whole.actions[stage]) {
      Schedule broken = whole;
      broken.actions[stage].push_back(action);
      EXPECT_THAT(refusal(broken), HasSubstr("stage " + std::to_string(stage) + " runs " + action.str() + " twice"));
    }
  }
}

TEST(ScheduleCheck, RefusesADroppedReceive) {
  Schedule broken = one_forward_one_backward(3, 4);
  broken.actions[1].erase(find(broken, 1, ActionKind::receive_forward, 2));
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs forward 2 before receive_forward 2"));
}

TEST(ScheduleCheck, RefusesAnOrderThatAStageCannotRun) {
  Schedule broken = gpipe(3, 4);
  std::iter_swap(find(broken, 1, ActionKind::backward, 1), find(broken, 1, ActionKind::send_backward, 1));
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs send_backward 1 before backward 1"));
}

TEST(ScheduleCheck, RefusesMessagesInAnotherOrderThanSent) {
  Schedule broken = gpipe(2, 4);
  std::iter_swap(find(broken, 0, ActionKind::forward, 1), find(broken, 0, ActionKind::forward, 2));
  std::iter_swap(find(broken, 0, ActionKind::send_forward, 1), find(broken, 0, ActionKind::send_forward, 2));
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs receive_forward 1, but its neighbour sends microbatch 2 next"));
}

TEST(ScheduleCheck, RefusesACycleOfWaitingStages) {
  // Stage 0 wants the gradient of microbatch 1 before it sends the activations that the gradient is made from.
  Schedule broken = gpipe(3, 2);
  std::vector<Action>& actions = broken.actions[0];
  actions.erase(find(broken, 0, ActionKind::receive_backward, 0));
  actions.insert(find(broken, 0, ActionKind::send_forward, 0), {ActionKind::receive_backward, 0});
  EXPECT_THAT(refusal(broken), HasSubstr("stage 0 waits for ever in receive_backward 0"));
}

TEST(ScheduleCheck, RefusesActionsThatDoNotExist) {
  Schedule broken = gpipe(2, 2);
  broken.actions[0].push_back({ActionKind::send_backward, 0});
  EXPECT_THAT(refusal(broken), HasSubstr("stage 0 runs send_backward 0, but has no neighbour on that side"));
  broken = gpipe(2, 2);
  broken.actions[1].push_back({ActionKind::forward, 2});
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs forward 2, a microbatch that does not exist"));
  broken = gpipe(2, 2);
  broken.actions.pop_back();
  EXPECT_THAT(refusal(broken), HasSubstr("lists actions for 1 stages, but has 2"));
}

}  // namespace
}  // namespace longspan
