#include "config/mixer_pattern.hpp"

#include <algorithm>
#include <sstream>

#include "base/error.hpp"
#include "config/value_text.hpp"

namespace longspan {
namespace {

bool is_name(std::string_view text) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}

}  // namespace

std::vector<std::string> expand_mixers(const std::string& pattern, std::int64_t layers) {
  std::vector<std::string> names;
  std::istringstream entries(pattern + ",");
  for (std::string text; std::getline(entries, text, ',');) {
    const std::string_view entry = trimmed(text);
    const auto star = entry.find('*');
    const std::string_view name = trimmed(entry.substr(0, star));
    const auto count = star == std::string_view::npos ? 1 : parse_integer(trimmed(entry.substr(star + 1)));
    if (!is_name(name) || !count || *count < 1) {
      throw UserError("model.mixers = '{}' has the malformed entry '{}'; write NAME or NAME*COUNT, separated by commas",
                      pattern, entry);
    }
    if (*count > layers - static_cast<std::int64_t>(names.size())) {
      throw UserError("model.mixers = '{}' names more mixers than model.layers = {}; shorten it or add layers", pattern,
                      layers);
    }
    names.insert(names.end(), static_cast<std::size_t>(*count), std::string(name));
  }
  const std::size_t period = names.size();
  while (static_cast<std::int64_t>(names.size()) < layers) names.push_back(names[names.size() - period]);
  return names;
}

}  // namespace longspan
