// The commands of longspan-inspect, one file each. `words` are the arguments behind the command's name.
#pragma once

#include <string>
#include <vector>

#include "comm/comm.hpp"

namespace longspan {

// What a file is and holds; --verify, --compare OTHER.
int inspect_file(const std::vector<std::string>& words);
// Parameters to and from safetensors.
int export_safetensors(const std::vector<std::string>& words);
int import_safetensors(const std::vector<std::string>& words, const Comm& world);

}  // namespace longspan
