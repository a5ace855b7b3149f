#include "config/nearest_key.hpp"

#include <algorithm>

namespace longspan {
namespace {

std::string_view name_of(std::string_view key) { return key.substr(key.rfind('.') + 1); }

// The section counts for two edits at most: "train.steps" is near to "run.steps".
int key_distance(std::string_view key, std::string_view known) {
  return std::min(edit_distance(key, known), 2 + edit_distance(name_of(key), name_of(known)));
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  // Rows i-2, i-1 and i of the table of distances between the first i letters of a and the first j of b.
  std::vector<int> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string nearest_key(const std::string& key, const std::vector<std::string>& known) {
  const int far = 3 + static_cast<int>(key.size()) / 8;
  std::string nearest;
  int smallest = far;
  for (const auto& candidate : known) {
    const int distance = key_distance(key, candidate);
    if (distance < smallest) {
      smallest = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace longspan
