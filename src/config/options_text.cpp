// The two texts that Options writes: help and the resolved configuration.
#include <algorithm>
#include <format>
#include <sstream>

#include "base/version.hpp"
#include "config/options.hpp"

namespace longspan {
namespace {

constexpr std::size_t kHelpColumns = 100;
constexpr std::size_t kLeftColumns = 36;  // of which the last two stay empty

std::string section_of(const std::string& key) { return key.substr(0, key.find('.')); }
std::string name_of(const std::string& key) { return key.substr(key.find('.') + 1); }

// `left` at the margin, the sentence to the right of it, wrapped; below it where `left` is too long.
void append_entry(std::string& out, const std::string& left, const std::string& sentence) {
  std::string line = "  " + left;
  if (line.size() + 2 > kLeftColumns) {
    out += line + "\n";
    line.clear();
  }
  line.resize(kLeftColumns, ' ');
  std::istringstream words(sentence);
  bool empty = true;
  for (std::string word; words >> word; empty = false) {
    if (!empty && line.size() + 1 + word.size() > kHelpColumns) {
      out += line + "\n";
      line.assign(kLeftColumns, ' ');
      empty = true;
    }
    line += (empty ? "" : " ") + word;
  }
  out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

}  // namespace

std::string Options::version() const { return std::format("{} {} ({})\n", program_, longspan::version(), git_hash()); }

std::string Options::help() const {
  std::string out =
      std::format("{}: {}\n\nUsage: {} [--config FILE] [--section.key VALUE]...\n", program_, summary_, program_);
  std::string section;
  for (const auto& option : options_) {
    if (section_of(option.key) != section) {
      section = section_of(option.key);
      out += std::format("\n[{}]\n", section);
    }
    const std::string value = option.default_text.empty() ? "" : " = " + option.default_text;
    append_entry(out, option.key + value, option.sentence);
  }
  out += "\n";
  append_entry(out, "--config FILE", "Reads an INI file first; keys on the command line win over it.");
  for (const Flag& flag : flags_) append_entry(out, "--" + flag.name, flag.sentence);
  append_entry(out, "--dry-run", "Resolves and prints everything, then exits without work.");
  append_entry(out, "--help", "Prints this text.");
  append_entry(out, "--version", "Prints the version.");
  return out;
}

std::string Options::resolved() const {
  std::string out, section;
  for (const auto& option : options_) {
    if (section_of(option.key) != section) {
      out += section.empty() ? "" : "\n";
      section = section_of(option.key);
      out += std::format("[{}]\n", section);
    }
    out += std::format("{} = {}\n", name_of(option.key), option.write());
  }
  return out;
}

}  // namespace longspan
