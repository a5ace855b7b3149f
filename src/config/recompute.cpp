#include "config/recompute.hpp"

#include "base/error.hpp"
#include "config/value_text.hpp"

namespace longspan {

Recompute parse_recompute(const std::string& text) {
  constexpr std::string_view every = "every:";
  if (text == "none") return {};
  if (text == "selective") return {.remake = Remake::cheap};
  if (text == "linear") return {.remake = Remake::linear};
  if (text == "block") return {.every = 1};
  if (text.starts_with(every)) {
    const auto blocks = parse_integer(std::string_view(text).substr(every.size()));
    if (blocks && *blocks >= 1) return {.every = *blocks};
  }
  throw UserError(
      "parallel.recompute = '{}' is nothing to do; use none, selective, linear, block, every:K (as every:2) or fit",
      text);
}

}  // namespace longspan
