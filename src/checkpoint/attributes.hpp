// The attributes of any HDF5 object as text.
#pragma once

#include <string>
#include <vector>

#include "data/hdf5.hpp"

namespace longspan {

std::vector<std::string> attribute_names(hid_t object, const std::string& path);  // sorted

// A text as it is, a number in digits that give the same number back, an array as "N values".
std::string attribute_text(hid_t object, const std::string& name, const std::string& path);

}  // namespace longspan
