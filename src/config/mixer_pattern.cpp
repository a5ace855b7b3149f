#include "config/mixer_pattern.hpp"

#include <sstream>

#include "base/error.hpp"
#include "config/value_text.hpp"

namespace longspan {
namespace {

bool is_name(std::string_view text) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789_-:";
  return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}

LayerMixer parse_mixer(const std::string& entry, std::int64_t window) {
  const auto colon = entry.find(':');
  const std::string kind = entry.substr(0, colon);
  if (colon == std::string::npos) return {kind, window};
  const auto own = parse_integer(entry.substr(colon + 1));
  if (kind != "attention" || !own || *own < 0) {
    throw UserError(
        "model.mixers has the malformed entry '{}'; only attention takes a number after a colon, the tokens of its "
        "sliding window, 0 for no window (attention:512)",
        entry);
  }
  return {kind, *own};
}

}  // namespace

std::vector<std::string> expand_pattern(const std::string& key, const std::string& pattern, std::int64_t layers) {
  std::vector<std::string> names;
  std::istringstream entries(pattern + ",");
  for (std::string text; std::getline(entries, text, ',');) {
    const std::string_view entry = trimmed(text);
    const auto star = entry.find('*');
    const std::string_view name = trimmed(entry.substr(0, star));
    const auto count = star == std::string_view::npos ? 1 : parse_integer(trimmed(entry.substr(star + 1)));
    if (!is_name(name) || !count || *count < 1) {
      throw UserError("{} = '{}' has the malformed entry '{}'; write NAME or NAME*COUNT, separated by commas", key,
                      pattern, entry);
    }
    if (*count > layers - static_cast<std::int64_t>(names.size())) {
      throw UserError("{} = '{}' has more entries than model.layers = {}; shorten it or add layers", key, pattern,
                      layers);
    }
    names.insert(names.end(), static_cast<std::size_t>(*count), std::string(name));
  }
  const std::size_t period = names.size();
  while (static_cast<std::int64_t>(names.size()) < layers) names.push_back(names[names.size() - period]);
  return names;
}

std::string pattern_of(const std::vector<std::string>& names) {
  std::string pattern;
  for (std::size_t i = 0, end = 0; i < names.size(); i = end) {
    while (end < names.size() && names[end] == names[i]) ++end;
    if (end - i == names.size()) return names[i];
    pattern += (i == 0 ? "" : ",") + names[i] + (end - i > 1 ? "*" + std::to_string(end - i) : "");
  }
  return pattern;
}

std::vector<LayerMixer> layer_mixers(const ModelConfig& model) {
  std::vector<LayerMixer> mixers;
  for (const std::string& entry : expand_pattern("model.mixers", model.mixers, model.layers)) {
    mixers.push_back(parse_mixer(entry, model.window));
  }
  return mixers;
}

}  // namespace longspan
