#include "layout/schedule_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/error.hpp"

namespace longspan {
namespace {

using enum ActionKind;

// [kind], in the order of ActionKind.
constexpr std::array<const char*, kActionKinds> kWords = {"RF", "F", "SF", "RB", "B", "I", "W", "SB"};

std::optional<int> parse_number(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// "SF3.1": send_forward of microbatch 3 and chunk 1.
std::optional<Action> parse_action(const std::string& word) {
  const std::size_t digits = word.find_first_of("0123456789"), dot = word.find('.');
  if (digits == std::string::npos || dot == std::string::npos || dot < digits) return std::nullopt;
  const auto kind = std::find(kWords.begin(), kWords.end(), word.substr(0, digits));
  const auto microbatch = parse_number(word.substr(digits, dot - digits)), chunk = parse_number(word.substr(dot + 1));
  if (kind == kWords.end() || !microbatch || !chunk) return std::nullopt;
  return Action{static_cast<ActionKind>(kind - kWords.begin()), *microbatch, *chunk};
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line.substr(0, line.find('#')));
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// Numbers behind a keyword.
std::vector<int> parse_limits(const std::vector<std::string>& words, const std::string& name, int line) {
  std::vector<int> limits;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto value = parse_number(words[i]);
    if (!value) throw UserError("{}, line {}: '{}' is not a number of microbatches", name, line, words[i]);
    limits.push_back(*value);
  }
  return limits;
}

// A chunk is where its forwards are.
std::vector<int> find_placement(const Schedule& schedule) {
  std::vector<int> stage_of;
  for (int stage = 0; stage < schedule.stages; ++stage) {
    for (const Action& a : schedule.actions[stage]) {
      if (a.kind != forward) continue;
      if (a.chunk >= schedule.stages * 1000) {
        throw UserError("{}: stage {} runs {}, a chunk too many", schedule.name, stage, a.str());
      }
      if (a.chunk >= static_cast<int>(stage_of.size())) stage_of.resize(a.chunk + 1, -1);
      if (stage_of[a.chunk] >= 0 && stage_of[a.chunk] != stage) {
        throw UserError("{}: stage {} runs {}, but stage {} holds this chunk", schedule.name, stage, a.str(),
                        stage_of[a.chunk]);
      }
      stage_of[a.chunk] = stage;
    }
  }
  return stage_of;
}

// The time line needs every action's chunk and microbatch to exist.
void check_ranges(const Schedule& schedule) {
  for (int stage = 0; stage < schedule.stages; ++stage) {
    for (const Action& a : schedule.actions[stage]) {
      if (a.chunk >= schedule.chunks() || a.microbatch >= schedule.microbatches) {
        throw UserError("{}: stage {} runs {}, which has no forward", schedule.name, stage, a.str());
      }
    }
  }
}

std::string limits_line(const char* keyword, const std::vector<int>& limits) {
  std::string line;
  for (const int limit : limits) line += std::format(" {}", limit);
  return limits.empty() ? "" : keyword + line + "\n";
}

}  // namespace

std::string to_text(const Schedule& schedule) {
  std::string text = std::format("# {}: {} stages, {} chunks, {} microbatches\n", schedule.name, schedule.stages,
                                 schedule.chunks(), schedule.microbatches);
  text += limits_line("alive", schedule.alive_limit) + limits_line("stash", schedule.stash_limit);
  for (int stage = 0; stage < schedule.stages; ++stage) {
    text += std::format("stage {}:", stage);
    for (const Action& a : schedule.actions[stage]) {
      text += std::format(" {}{}.{}", kWords[static_cast<std::size_t>(a.kind)], a.microbatch, a.chunk);
    }
    text += "\n";
  }
  return text;
}

Schedule parse_schedule(const std::string& text, const std::string& name) {
  Schedule schedule{.name = name, .stages = 0, .microbatches = 0};
  std::istringstream stream(text);
  bool messages = false;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "alive" || words[0] == "stash") {
      (words[0] == "alive" ? schedule.alive_limit : schedule.stash_limit) = parse_limits(words, name, number);
      continue;
    }
    if (words[0] != "stage" || words.size() < 2 || words[1] != std::format("{}:", schedule.stages)) {
      throw UserError("{}, line {}: expected 'stage {}:' and its actions, or 'alive' or 'stash' and a number a stage",
                      name, number, schedule.stages);
    }
    std::vector<Action>& actions = schedule.actions.emplace_back();
    ++schedule.stages;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const auto action = parse_action(words[i]);
      if (!action) {
        throw UserError(
            "{}, line {}: '{}' is no action; write one of F B I W RF SF RB SB and microbatch.chunk, as F0.0", name,
            number, words[i]);
      }
      actions.push_back(*action);
      messages |= is_message(action->kind);
      if (action->kind == forward) schedule.microbatches = std::max(schedule.microbatches, action->microbatch + 1);
    }
  }
  for (const std::vector<int>* limits : {&schedule.alive_limit, &schedule.stash_limit}) {
    if (!limits->empty() && static_cast<int>(limits->size()) != schedule.stages) {
      throw UserError("{}: {} bounds for {} stages; give one a stage", name, limits->size(), schedule.stages);
    }
  }
  schedule.stage_of = find_placement(schedule);
  check_ranges(schedule);
  if (!messages) add_messages(schedule);
  return schedule;
}

Schedule read_schedule(const std::string& path, int stages, int microbatches) {
  std::ifstream file(path);
  if (!file) throw UserError("parallel.schedule = file:{} cannot be read; name a schedule's file", path);
  std::ostringstream text;
  text << file.rdbuf();
  Schedule schedule = parse_schedule(text.str(), path);
  if (schedule.stages != stages || schedule.microbatches != microbatches) {
    throw UserError(
        "{} is a schedule of {} stages and {} microbatches, but parallel.pipeline = {} and parallel.microbatches = {}",
        path, schedule.stages, schedule.microbatches, stages, microbatches);
  }
  check(schedule);
  return schedule;
}

}  // namespace longspan
