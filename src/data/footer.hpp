// The last bytes of checkpoints and token stores, behind all that HDF5 knows of. They guard everything but values that
// have checksums of their own (tensors, chunks of tokens) before HDF5 reads it: its checksums leave out texts, and a
// damaged text can keep it busy for ever.
//   begin, end     uint64 each, a pair for every run of such values, ascending: their bytes
//   count          uint64: how many pairs
//   description    uint64: xxHash64 (seed 0) of all bytes before the pairs that are in none of them
//   footer         uint64: xxHash64 of the pairs, the count and the description
//   "LONGSPAN"
// All numbers are little-endian.
#pragma once

#include <string>
#include <vector>

#include "data/hdf5.hpp"
#include "layout/split.hpp"

namespace longspan {

// EnvironmentError where it cannot be written. `values` in any order; empty ones are left out, neighbours become one.
void append_footer(const std::string& path, std::vector<Range> values);

// UserError where the file ends otherwise or its description is not the one that was written. `kind` names what the
// file should be: "checkpoint".
void check_footer(const std::string& path, const std::string& kind);

// Whether the file ends as one with a footer does.
bool has_footer(const std::string& path);

// Opens a file for reading whose footer is right; HDF5 sees no other. UserError where it is missing or no HDF5 file,
// and as check_footer.
hdf5::Handle open_guarded(const std::string& path, const std::string& kind);

}  // namespace longspan
