// Option values as text: parse_x gives nothing where the whole text is no x; write_x gives text that parses back to the
// same value, to the bit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longspan {

std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_real(std::string_view text);         // finite
std::optional<bool> parse_boolean(std::string_view text);        // true/false, yes/no, on/off, 1/0
std::optional<double> parse_seconds(std::string_view text);      // 0.5, 2s, 1.5ms, 200us; not negative
std::optional<std::int64_t> parse_bytes(std::string_view text);  // 1500, 512K, 8M, 2G, 1T; not negative

// The rest of a configuration file's line: as it is, or in double quotes with \" \\ \n and \xHH inside.
std::optional<std::string> parse_text(std::string_view text);

std::string write_integer(std::int64_t value);
std::string write_real(double value);
std::string write_boolean(bool value);
std::string write_bytes(std::int64_t value);
std::string write_seconds(double value);
std::string write_text(const std::string& text);  // in quotes where a line would not keep it

// "a, b, c".
std::string listed(const std::vector<std::string>& names);

// The words of "a, b,c", trimmed; of an empty text one empty word.
std::vector<std::string> split_list(std::string_view list);

// The text without spaces, tabs and line ends around it.
std::string_view trimmed(std::string_view text);

}  // namespace longspan
