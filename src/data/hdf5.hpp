// The little that data/, checkpoint/ and the metrics writer need around the HDF5 C library: handles that close
// themselves, attributes, and failures as errors with the file's name. HDF5 prints nothing by itself.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <string>

namespace longspan::hdf5 {

// Owns an HDF5 identifier. The destructor closes it and ignores failures; where data was written, close() reports them.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  ~Handle() { release(); }
  Handle(Handle&& other) noexcept : id_(other.id_), closer_(other.closer_) { other.id_ = -1; }
  Handle& operator=(Handle&& other) noexcept;

  operator hid_t() const { return id_; }
  bool open() const { return id_ >= 0; }
  void close(const std::string& path);  // throws where HDF5 could not write what it still held back

 private:
  herr_t release();

  hid_t id_ = -1;
  Closer closer_ = nullptr;
};

// Results below 0 are failures; `doing` completes "cannot ... PATH", for example "write".
[[noreturn]] void fail(const std::string& doing, const std::string& path);
inline void check(herr_t result, const std::string& doing, const std::string& path) {
  if (result < 0) fail(doing, path);
}
inline Handle check(hid_t id, Handle::Closer closer, const std::string& doing, const std::string& path) {
  if (id < 0) fail(doing, path);
  return {id, closer};
}

// File access without locks (network file systems) in the format of HDF5 1.10, which knows attributes above 64 KiB.
Handle file_access();

// Creates or replaces a file.
Handle create_file(const std::string& path, const Handle& access = file_access());
// UserError saying whether the file is missing, unreadable or no HDF5 file, which is told by its first bytes alone.
void check_signature(const std::string& path, const std::string& kind);
// Opens for reading. UserError saying whether the file is missing, unreadable, no HDF5 file or cut short. `kind` names
// what it should be: "token store".
Handle open_file(const std::string& path, const std::string& kind, const Handle& access = file_access());

bool has_link(hid_t parent, const std::string& name);
Handle open_dataset(hid_t parent, const std::string& name, const std::string& path);

// Attributes of a file (its root group), group or dataset. Reading a missing one, or one of another type, is a
// UserError.
bool has_attribute(hid_t object, const std::string& name);
void write_text(hid_t object, const std::string& name, const std::string& value, const std::string& path);
void write_integer(hid_t object, const std::string& name, std::int64_t value, const std::string& path);
void write_real(hid_t object, const std::string& name, double value, const std::string& path);
void write_bytes(hid_t object, const std::string& name, const std::string& value, const std::string& path);  // uint8
std::string read_text(hid_t object, const std::string& name, const std::string& path);
std::int64_t read_integer(hid_t object, const std::string& name, const std::string& path);
double read_real(hid_t object, const std::string& name, const std::string& path);
std::string read_bytes(hid_t object, const std::string& name, const std::string& path);

}  // namespace longspan::hdf5
