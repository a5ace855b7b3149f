// Where sends and receives stand among a schedule's computations. All messages and actions are put in one order, that
// of the schedule's time line with unit durations: a message comes right after the action that makes it, on both of its
// stages. Since every stage keeps this one order, no cycle of waiting can arise, even if each send waits for its
// receive: the first message in the order that is not over has two partners who wait for nothing else.
#include <algorithm>
#include <tuple>

#include "layout/replay.hpp"
#include "layout/schedule.hpp"

namespace longspan {
namespace {

struct Message {
  double time;  // the end of the action that makes it
  Action send, receive;
  int from, to;  // stages
};

bool earlier(const Message& a, const Message& b) {
  const auto key = [](const Message& m) { return std::tuple(m.time, m.send.kind, m.send.microbatch, m.send.chunk); };
  return key(a) < key(b);
}

std::vector<Message> messages_in_order(const Schedule& schedule, const Timeline& timeline) {
  using enum ActionKind;
  std::vector<Message> messages;
  const auto add = [&](const TimedAction& made, ActionKind send, ActionKind receive, int neighbour) {
    const Action& a = made.action;
    messages.push_back({made.end,
                        {send, a.microbatch, a.chunk},
                        {receive, a.microbatch, neighbour},
                        schedule.stage_of[a.chunk],
                        schedule.stage_of[neighbour]});
  };
  for (const auto& stage : timeline) {
    for (const TimedAction& made : stage) {
      const int chunk = made.action.chunk;
      if (made.action.kind == forward && schedule.to_other_stage(chunk)) {
        add(made, send_forward, receive_forward, chunk + 1);
      }
      if (gives_input_gradient(made.action.kind) && schedule.from_other_stage(chunk)) {
        add(made, send_backward, receive_backward, chunk - 1);
      }
    }
  }
  std::sort(messages.begin(), messages.end(), earlier);
  return messages;
}

}  // namespace

void add_messages(Schedule& schedule) {
  const Timeline timeline = replay(schedule, KindDurations{});
  std::vector<std::vector<Action>> with_messages(schedule.stages);
  std::vector<std::size_t> next(schedule.stages, 0);
  // All of a stage's actions that begin before the message.
  const auto catch_up = [&](int stage, double time) {
    for (; next[stage] < timeline[stage].size() && timeline[stage][next[stage]].begin < time; ++next[stage]) {
      with_messages[stage].push_back(timeline[stage][next[stage]].action);
    }
  };
  for (const Message& message : messages_in_order(schedule, timeline)) {
    catch_up(message.from, message.time);
    with_messages[message.from].push_back(message.send);
    catch_up(message.to, message.time);
    with_messages[message.to].push_back(message.receive);
  }
  for (int stage = 0; stage < schedule.stages; ++stage) catch_up(stage, makespan(timeline) + 1);
  schedule.actions = std::move(with_messages);
}

}  // namespace longspan
