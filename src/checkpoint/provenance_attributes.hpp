// Provenance as attributes of an HDF5 object: version, git_hash, config, mesh, host, and the time under a name that
// says what happened then.
#pragma once

#include <string>

#include "base/provenance.hpp"
#include "data/hdf5.hpp"

namespace longspan {

void write_provenance(hid_t object, const Provenance& provenance, const std::string& time_name,
                      const std::string& path);
Provenance read_provenance(hid_t object, const std::string& time_name, const std::string& path);

}  // namespace longspan
