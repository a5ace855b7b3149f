#include "checkpoint/provenance_attributes.hpp"

namespace longspan {

void write_provenance(hid_t object, const Provenance& provenance, const std::string& time_name,
                      const std::string& path) {
  hdf5::write_text(object, "version", provenance.version, path);
  hdf5::write_text(object, "git_hash", provenance.git_hash, path);
  hdf5::write_text(object, "config", provenance.config, path);
  hdf5::write_text(object, "mesh", provenance.mesh, path);
  hdf5::write_text(object, "host", provenance.host, path);
  hdf5::write_text(object, time_name, provenance.time, path);
}

Provenance read_provenance(hid_t object, const std::string& time_name, const std::string& path) {
  return {.version = hdf5::read_text(object, "version", path),
          .git_hash = hdf5::read_text(object, "git_hash", path),
          .config = hdf5::read_text(object, "config", path),
          .mesh = hdf5::read_text(object, "mesh", path),
          .host = hdf5::read_text(object, "host", path),
          .time = hdf5::read_text(object, time_name, path)};
}

}  // namespace longspan
