#include "data/utf8.hpp"

namespace longspan {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

bool continues(std::string_view text, std::size_t i) { return i < text.size() && (byte_at(text, i) & 0xc0) == 0x80; }

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const unsigned lead = byte_at(text, 0);
  if (lead < 0x80) return 1;
  if (!continues(text, 1)) return 0;
  const unsigned second = byte_at(text, 1);
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (!continues(text, 2)) return 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool overlong = lead == 0xe0 && second < 0xa0, surrogate = lead == 0xed && second > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  const bool in_range =
      lead >= 0xf0 && lead <= 0xf4 && !(lead == 0xf0 && second < 0x90) && !(lead == 0xf4 && second > 0x8f);
  return in_range && continues(text, 3) ? 4 : 0;
}

std::size_t utf8_cut(std::string_view text, std::size_t limit) {
  if (limit >= text.size()) return text.size();
  for (std::size_t n = limit; n > 0 && n + 4 > limit; --n) {
    if (!continues(text, n)) return n;
  }
  return limit;
}

}  // namespace longspan
