// Just enough UTF-8 to cut text between characters and to tell text from other bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace longspan {

// Bytes of the well-formed character at the start of `text`; 0 where there is none (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text);

// The largest n <= limit such that text[0, n) cuts no character in two; for text that is no UTF-8 the limit.
std::size_t utf8_cut(std::string_view text, std::size_t limit);

}  // namespace longspan
