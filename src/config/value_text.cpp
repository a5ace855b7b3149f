#include "config/value_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <format>
#include <limits>

namespace longspan {
namespace {

template <class T>
std::optional<T> parse_whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

constexpr std::string_view kSuffixes = "KMGT";

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) { return parse_whole<std::int64_t>(text); }

std::optional<double> parse_real(std::string_view text) {
  const auto value = parse_whole<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<bool> parse_boolean(std::string_view text) {
  for (const auto yes : {"true", "yes", "on", "1"}) {
    if (text == yes) return true;
  }
  for (const auto no : {"false", "no", "off", "0"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  int shift = 0;
  if (!text.empty()) {
    const auto suffix = kSuffixes.find(text.back() >= 'a' ? static_cast<char>(text.back() - 'a' + 'A') : text.back());
    if (suffix != std::string_view::npos) {
      shift = 10 * (static_cast<int>(suffix) + 1);
      text.remove_suffix(1);
    }
  }
  const auto value = parse_integer(text);
  if (!value || *value < 0 || *value > (std::numeric_limits<std::int64_t>::max() >> shift)) return std::nullopt;
  return *value << shift;
}

std::optional<double> parse_seconds(std::string_view text) {
  double unit = 1;
  if (text.ends_with("us") || text.ends_with("ms")) {
    unit = text.ends_with("us") ? 1e-6 : 1e-3;
    text.remove_suffix(2);
  } else if (text.ends_with('s')) {
    text.remove_suffix(1);
  }
  const auto value = parse_real(text);
  return value && *value >= 0 ? std::optional(*value * unit) : std::nullopt;
}

std::string write_integer(std::int64_t value) { return std::to_string(value); }

// std::format without a precision writes the shortest text that reads back to the same bits.
std::string write_real(double value) { return std::format("{}", value); }

std::string write_boolean(bool value) { return value ? "true" : "false"; }

std::string write_bytes(std::int64_t value) {
  for (int i = static_cast<int>(kSuffixes.size()); i > 0 && value > 0; --i) {
    const std::int64_t unit = std::int64_t{1} << (10 * i);
    if (value % unit == 0) return std::to_string(value / unit) + kSuffixes[i - 1];
  }
  return std::to_string(value);
}

std::string write_seconds(double value) { return write_real(value) + "s"; }

std::optional<std::string> parse_text(std::string_view text) {
  if (!text.starts_with('"')) return std::string(text);
  if (text.size() < 2 || !text.ends_with('"')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::string plain;
  while (!text.empty()) {
    if (text.front() == '"') return std::nullopt;
    if (text.front() != '\\') {
      plain += text.front();
      text.remove_prefix(1);
      continue;
    }
    const char kind = text.size() > 1 ? text[1] : '\0';
    unsigned char code = 0;
    if (kind == '"' || kind == '\\') {
      plain += kind;
    } else if (kind == 'n') {
      plain += '\n';
    } else if (kind == 'x' && text.size() >= 4 &&
               std::from_chars(text.data() + 2, text.data() + 4, code, 16).ptr == text.data() + 4) {
      plain += static_cast<char>(code);
      text.remove_prefix(2);
    } else {
      return std::nullopt;
    }
    text.remove_prefix(2);
  }
  return plain;
}

std::string write_text(const std::string& text) {
  const auto breaks_a_line = [](char c) { return c == '#' || static_cast<unsigned char>(c) < ' '; };
  if (trimmed(text) == text && !text.starts_with('"') && std::ranges::none_of(text, breaks_a_line)) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '\n') {
      quoted += "\\n";
    } else if (breaks_a_line(c)) {
      quoted += std::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    words.emplace_back(trimmed(list.substr(begin, end - begin)));
    begin = end + 1;
  }
  return words;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view spaces = " \t\r\n";
  const auto first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

}  // namespace longspan
