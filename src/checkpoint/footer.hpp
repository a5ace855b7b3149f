// The last bytes of a checkpoint, behind all that HDF5 knows of. They guard everything that is no tensor's value before
// HDF5 reads it: its own checksums leave out texts, and a damaged text can keep it busy for ever.
//   begin, end     uint64 each, a pair for every tensor that is not empty, ascending: the bytes of its values
//   count          uint64: how many pairs
//   description    uint64: xxHash64 (seed 0) of all bytes before the pairs that are in no tensor
//   footer         uint64: xxHash64 of the pairs, the count and the description
//   "LONGSPAN"
// All numbers are little-endian.
#pragma once

#include <string>
#include <vector>

#include "layout/split.hpp"

namespace longspan {

// EnvironmentError where it cannot be written. `values` in any order; empty ones are left out.
void append_footer(const std::string& path, std::vector<Range> values);

// UserError where the file ends otherwise or its description is not the one that was written.
void check_footer(const std::string& path);

// Whether the file ends as one with a footer does.
bool has_footer(const std::string& path);

}  // namespace longspan
