#include "layout/mask.hpp"

#include <algorithm>
#include <limits>

#include "base/error.hpp"

namespace longspan {

Range visible(const MaskRule& rule, std::int64_t position, const Range& document) {
  Range keys = document;
  if (rule.causal) keys.end = std::min(keys.end, position + 1);
  if (rule.window > 0) {
    keys.begin = std::max(keys.begin, position - rule.window + 1);
    keys.end = std::min(keys.end, position + rule.window);
  }
  return keys;
}

Range document_of(const std::vector<std::int64_t>& starts, std::int64_t length, std::int64_t position) {
  const auto next = std::upper_bound(starts.begin(), starts.end(), position);
  return {next == starts.begin() ? 0 : *(next - 1), next == starts.end() ? length : *next};
}

VisibleKeys visible_keys(const MaskRule& rule, const std::vector<std::int64_t>& positions,
                         const std::vector<std::int64_t>& document_starts, std::int64_t length) {
  LONGSPAN_CHECK(length <= std::numeric_limits<std::int32_t>::max(), "[mask] {} positions do not fit int32", length);
  VisibleKeys rows;
  rows.begin.reserve(positions.size());
  rows.end.reserve(positions.size());
  for (const std::int64_t position : positions) {
    LONGSPAN_CHECK(position >= 0 && position < length, "[mask] position {} is outside a sequence of {}", position,
                   length);
    const Range keys = visible(rule, position, document_of(document_starts, length, position));
    rows.begin.push_back(static_cast<std::int32_t>(keys.begin));
    rows.end.push_back(static_cast<std::int32_t>(keys.end));
  }
  return rows;
}

}  // namespace longspan
