#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout/schedule_case.hpp"

namespace longspan {
namespace {

using enum ActionKind;
using testing::HasSubstr;

TEST(ScheduleCheck, RefusesEveryMissingActionByStageAndName) {
  for (const std::string& name : schedule_names()) {
    const Schedule whole = make(name, 4, 5);
    for (int stage = 0; stage < whole.stages; ++stage) {
      for (std::size_t i = 0; i < whole.actions[stage].size(); ++i) {
        Schedule broken = whole;
        broken.actions[stage].erase(broken.actions[stage].begin() + static_cast<std::ptrdiff_t>(i));
        const Action& missing = whole.actions[stage][i];
        EXPECT_THAT(refusal(broken), HasSubstr("stage " + std::to_string(stage)));
        // backward stands for its two parts where others wait for it.
        const std::string part = std::format(" {} of chunk {}", missing.microbatch, missing.chunk);
        EXPECT_THAT(refusal(broken), HasSubstr(gives_input_gradient(missing.kind) ? part : missing.str())) << name;
      }
    }
  }
}

TEST(ScheduleCheck, RefusesEveryRepeatedAction) {
  for (const std::string& name : schedule_names()) {
    const Schedule whole = make(name, 3, 4);
    for (int stage = 0; stage < whole.stages; ++stage) {
      for (const Action& action : whole.actions[stage]) {
        Schedule broken = whole;
        broken.actions[stage].push_back(action);
        EXPECT_THAT(refusal(broken), HasSubstr("stage " + std::to_string(stage) + " runs " + action.str() + " twice"));
      }
    }
  }
}

TEST(ScheduleCheck, RefusesADroppedReceive) {
  Schedule broken = make("1f1b", 3, 4);
  broken.actions[1].erase(find(broken, 1, {receive_forward, 2, 1}));
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs forward 2 of chunk 1 before receive_forward 2 of chunk 1"));
}

TEST(ScheduleCheck, RefusesAnOrderThatAStageCannotRun) {
  Schedule broken = make("gpipe", 3, 4);
  std::iter_swap(find(broken, 1, {backward, 1, 1}), find(broken, 1, {send_backward, 1, 1}));
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs send_backward 1 of chunk 1 before backward_input 1 of chunk 1"));
  broken = make("zb-h1", 3, 4);
  std::iter_swap(find(broken, 2, {backward_input, 1, 2}), find(broken, 2, {backward_weight, 1, 2}));
  EXPECT_THAT(refusal(broken),
              HasSubstr("stage 2 runs backward_weight 1 of chunk 2 before backward_input 1 of chunk 2"));
  broken = make("zb-v", 3, 4);
  std::iter_swap(find(broken, 2, {forward, 0, 2}), find(broken, 2, {forward, 0, 3}));
  EXPECT_THAT(refusal(broken), HasSubstr("stage 2 runs forward 0 of chunk 3 before forward 0 of chunk 2"));
}

TEST(ScheduleCheck, RefusesMessagesInAnotherOrderThanSent) {
  Schedule broken = make("gpipe", 2, 4);
  std::iter_swap(find(broken, 0, {forward, 1, 0}), find(broken, 0, {forward, 2, 0}));
  std::iter_swap(find(broken, 0, {send_forward, 1, 0}), find(broken, 0, {send_forward, 2, 0}));
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs receive_forward 1 of chunk 1, but stage 0 runs send_forward 2 "
                                         "of chunk 0 next"));
}

TEST(ScheduleCheck, RefusesACycleOfWaitingStages) {
  // Stage 0 wants the gradient of microbatch 0 before it sends the activations that the gradient is made from.
  Schedule broken = make("gpipe", 3, 2);
  std::vector<Action>& actions = broken.actions[0];
  actions.erase(find(broken, 0, {receive_backward, 0, 0}));
  actions.insert(find(broken, 0, {send_forward, 0, 0}), {receive_backward, 0, 0});
  EXPECT_THAT(refusal(broken), HasSubstr("stage 0 waits for ever in receive_backward 0 of chunk 0"));
}

// Two stages that send to each other first: fine where sends do not wait, refused here.
TEST(ScheduleCheck, RefusesSendsThatWaitForEachOther) {
  Schedule broken = make("1f1b", 2, 3);
  EXPECT_EQ(refusal(broken), "");
  // Stage 0 sends microbatch 1 down while stage 1 sends the gradient of microbatch 0 up.
  broken.actions[1].erase(find(broken, 1, {receive_forward, 1, 1}));
  broken.actions[1].insert(find(broken, 1, {send_backward, 0, 1}) + 1, {receive_forward, 1, 1});
  EXPECT_THAT(refusal(broken), HasSubstr("waits for ever in send_forward 1 of chunk 0"));
}

TEST(ScheduleCheck, RefusesMoreMemoryThanTheBound) {
  Schedule broken = make("gpipe", 2, 4);
  broken.alive_limit = {3, 3};
  EXPECT_THAT(refusal(broken), HasSubstr("stage 0 has 4 microbatches alive after forward 3 of chunk 0, more than its "
                                         "bound of 3"));
  broken = make("zb-h1", 4, 8);
  broken.stash_limit[2] = 2;
  EXPECT_THAT(refusal(broken), HasSubstr("stage 2 has 3 weight gradients put off after backward_input 2 of chunk 2"));
}

TEST(ScheduleCheck, RefusesActionsThatDoNotExist) {
  Schedule broken = make("gpipe", 2, 2);
  broken.actions[0].push_back({send_backward, 0, 0});
  EXPECT_THAT(refusal(broken), HasSubstr("stage 0 runs send_backward 0 of chunk 0, but has no neighbour on that side"));
  broken = make("gpipe", 2, 2);
  broken.actions[1].push_back({forward, 2, 1});
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs forward 2 of chunk 1, a microbatch that does not exist"));
  broken = make("gpipe", 2, 2);
  broken.actions[1].push_back({forward, 1, 0});
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 runs forward 1 of chunk 0, a chunk that it does not hold"));
  broken = make("gpipe", 2, 2);
  broken.actions.pop_back();
  EXPECT_THAT(refusal(broken), HasSubstr("lists actions for 1 stages, but has 2"));
}

TEST(ScheduleCheck, RefusesChunksInTheWrongPlace) {
  Schedule broken = make("gpipe", 3, 2);
  broken.stage_of = {1, 0, 2};
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 holds the first chunk, which belongs to stage 0"));
  broken.stage_of = {0, 2, 1};
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 holds the last chunk, which belongs to stage 0 or stage 2"));
  broken.stage_of = {0, 0, 2};
  EXPECT_THAT(refusal(broken), HasSubstr("stage 1 holds no chunk"));
  broken.stage_of = {0, 3, 2};
  EXPECT_THAT(refusal(broken), HasSubstr("no stage for chunk 1"));
}

}  // namespace
}  // namespace longspan
