// Which token mixer each layer has: "deltanet*3,attention" is three times deltanet, then attention, and so on down the
// depth.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longspan {

// One name a layer. The pattern is repeated until `layers` names are there; the last repetition may be cut short.
// UserError where the pattern is malformed or longer than the depth.
std::vector<std::string> expand_mixers(const std::string& pattern, std::int64_t layers);

}  // namespace longspan
