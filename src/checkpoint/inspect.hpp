// What a file of Longspan is and holds: checkpoint, metrics or token store.
#pragma once

#include <string>
#include <vector>

namespace longspan {

struct Inspection {
  std::string report;                // lines for a reader: kind, origin, datasets
  std::vector<std::string> damaged;  // names of what cannot be read or has another checksum
};

// With `verify` the whole file is read and every checksum compared; otherwise only its description. UserError where it
// is missing, cut short, no HDF5 file or of no kind that is known here. The metrics of a run that goes on may be
// inspected.
Inspection inspect(const std::string& path, bool verify);

}  // namespace longspan
