// The known key that a mistyped one probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longspan {

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
int edit_distance(std::string_view a, std::string_view b);

// The known key at the smallest distance; empty where none is near. A right name in a wrong section is near.
std::string nearest_key(const std::string& key, const std::vector<std::string>& known);

}  // namespace longspan
