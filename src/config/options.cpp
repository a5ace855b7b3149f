#include "config/options.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "base/error.hpp"
#include "config/nearest_key.hpp"
#include "config/value_text.hpp"

namespace longspan {
namespace {

namespace po = boost::program_options;

constexpr const char* kCommandLine = "on the command line";

template <class Keys>
po::options_description describe(const Keys& options) {
  po::options_description description;
  for (const auto& option : options) description.add_options()(option.key.c_str(), po::value<std::string>(), "");
  return description;
}

std::vector<std::string> read_lines(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw UserError("the configuration file {} does not exist", path);
  if (std::filesystem::is_directory(path, ignored)) {
    throw UserError("the configuration file {} is a folder; name a file in it", path);
  }
  std::ifstream file(path);
  if (!file) throw UserError("the configuration file {} cannot be read: {}", path, std::strerror(errno));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (file.bad()) throw UserError("the configuration file {} cannot be read: {}", path, std::strerror(errno));
  return lines;
}

}  // namespace

Options::Options(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

// `parse` gives an optional<T>; without a value the error says "KEY = 'VALUE' WHERE COMPLAINT".
template <class T, class Parse, class Write>
Options& Options::add_option(const std::string& key, T& field, const std::string& sentence, Parse parse, Write write,
                             const std::string& complaint) {
  LONGSPAN_CHECK(find(key) == nullptr, "[options] {} is bound twice", key);
  LONGSPAN_CHECK(key.find('.') != std::string::npos, "[options] {} has no section", key);
  Option option{.key = key, .sentence = sentence, .default_text = write(field), .read = {}, .write = {}};
  option.read = [key, &field, parse, complaint](const std::string& value, const std::string& where) {
    const std::optional<T> parsed = parse(value);
    if (!parsed) throw UserError("{} = '{}' {} {}", key, value, where, complaint);
    field = *parsed;
  };
  option.write = [&field, write] { return write(field); };
  options_.push_back(std::move(option));
  return *this;
}

Options& Options::add(const std::string& key, std::string& field, const std::string& sentence) {
  const auto parse = [](const std::string& text) { return std::optional(text); };
  add_option(key, field, sentence, parse, write_text, "");
  options_.back().text = true;
  return *this;
}

Options& Options::add(const std::string& key, std::int64_t& field, const std::string& sentence) {
  return add_option(key, field, sentence, parse_integer, write_integer, "is no whole number");
}

Options& Options::add(const std::string& key, double& field, const std::string& sentence) {
  return add_option(key, field, sentence, parse_real, write_real, "is no finite number");
}

Options& Options::add(const std::string& key, bool& field, const std::string& sentence) {
  return add_option(key, field, sentence, parse_boolean, write_boolean, "is neither true nor false");
}

Options& Options::add_bytes(const std::string& key, std::int64_t& field, const std::string& sentence) {
  return add_option(key, field, sentence, parse_bytes, write_bytes, "is no size in bytes such as 1500, 512K, 8M or 2G");
}

Options& Options::add_seconds(const std::string& key, double& field, const std::string& sentence) {
  return add_option(key, field, sentence, parse_seconds, write_seconds,
                    "is no time in seconds such as 0.5, 2s, 1.5ms or 200us");
}

Options& Options::add_flag(const std::string& name, bool& field, const std::string& sentence) {
  flags_.push_back({name, sentence, &field});
  return *this;
}

Options& Options::add_choice(const std::string& key, std::string& field, const std::vector<std::string>& choices,
                             const std::string& sentence) {
  const std::string list = listed(choices);
  const auto parse = [choices](const std::string& text) {
    return std::ranges::find(choices, text) != choices.end() ? std::optional(text) : std::nullopt;
  };
  return add_option(key, field, sentence + " One of: " + list + ".", parse, std::identity(), "is none of: " + list);
}

const Options::Option* Options::find(const std::string& key) const {
  const auto found = std::ranges::find(options_, key, &Option::key);
  return found == options_.end() ? nullptr : &*found;
}

bool Options::was_set(const std::string& key) const {
  const Option* option = find(key);
  LONGSPAN_CHECK(option != nullptr, "[options] {} is not bound", key);
  return option->set;
}

void Options::set(const std::string& key, const std::string& value, const std::string& where) {
  const auto option = std::ranges::find(options_, key, &Option::key);
  if (option == options_.end()) {
    std::vector<std::string> known;
    for (const auto& each : options_) known.push_back(each.key);
    const std::string nearest = nearest_key(key, known);
    throw UserError("unknown key '{}' {}; {}", key, where,
                    nearest.empty() ? program_ + " --help lists the keys" : "did you mean '" + nearest + "'?");
  }
  option->read(option->text ? value : std::string(trimmed(value)), where);
  option->set = true;
}

void Options::read_text(const std::string& text, const std::string& name) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  read_lines_of(name, lines);
}

// Boost's parser gets the lines one by one, each below its section's line, so that every complaint knows its line.
void Options::read_lines_of(const std::string& path, const std::vector<std::string>& lines) {
  const po::options_description description = describe(options_);
  std::map<std::string, std::size_t> line_of;
  std::string section;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string where = std::format("in {} line {}", path, i + 1);
    if (trimmed(lines[i]).starts_with('[')) section = lines[i];
    std::istringstream text(section + "\n" + lines[i]);
    std::vector<po::option> found;
    try {
      found = po::parse_config_file(text, description, true).options;
    } catch (const po::error&) {
      throw UserError("'{}' {} is neither '[section]' nor 'key = value' nor a '#' comment", trimmed(lines[i]), where);
    }
    for (const auto& option : found) {
      const auto [earlier, first_time] = line_of.emplace(option.string_key, i + 1);
      if (!first_time) {
        throw UserError("{} is set twice in {}, in lines {} and {}; keep one of them", option.string_key, path,
                        earlier->second, i + 1);
      }
      const std::string value = option.value.empty() ? "" : option.value.front();
      const std::optional<std::string> text = parse_text(value);
      if (!text)
        throw UserError("{} = {} {} has quotes that do not close or an unknown escape", option.string_key, value,
                        where);
      set(option.string_key, *text, where);
    }
  }
}

Options::Action Options::parse(int argc, const char* const* argv) {
  po::options_description description = describe(options_);
  description.add_options()("config", po::value<std::string>(), "")("help", "")("dry-run", "")("version", "");
  for (const Flag& flag : flags_) description.add_options()(flag.name.c_str(), "");
  std::vector<po::option> words;
  try {
    const int style = po::command_line_style::allow_long | po::command_line_style::long_allow_adjacent |
                      po::command_line_style::long_allow_next;
    words = po::command_line_parser(argc, argv).options(description).style(style).allow_unregistered().run().options;
  } catch (const po::error& error) {
    throw UserError("{} {}; {} --help lists the keys", error.what(), kCommandLine, program_);
  }
  const auto given = [&](const std::string& name) { return std::ranges::count(words, name, &po::option::string_key); };
  if (given("help") > 0) return Action::help;
  if (given("version") > 0) return Action::version;
  for (const Flag& flag : flags_) *flag.field = given(flag.name) > 0;
  if (given("config") > 1) throw UserError("--config is given twice {}; name one file", kCommandLine);
  for (const auto& word : words) {
    if (word.string_key == "config") read_lines_of(word.value.front(), read_lines(word.value.front()));
  }
  for (const auto& word : words) {
    const bool flag = std::ranges::find(flags_, word.string_key, &Flag::name) != flags_.end();
    if (flag || word.string_key == "config" || word.string_key == "dry-run") continue;
    if (word.string_key.empty()) {
      throw UserError("'{}' {} is no option; write --section.key VALUE or --config FILE", word.original_tokens.front(),
                      kCommandLine);
    }
    set(word.string_key, word.value.empty() ? "" : word.value.front(), kCommandLine);
  }
  return given("dry-run") > 0 ? Action::dry_run : Action::run;
}

}  // namespace longspan
