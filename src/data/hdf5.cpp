#include "data/hdf5.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.hpp"

namespace longspan::hdf5 {
namespace {

void silence() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

// The innermost entry of HDF5's error stack says what went wrong.
std::string last_error() {
  std::string text;
  const auto keep = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    if (entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &text);
  return text.empty() ? "HDF5 gives no reason" : text;
}

bool mentions(const std::string& text, int error_number) {
  return text.find(std::strerror(error_number)) != std::string::npos;
}

std::int64_t size_of_file(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(bytes);
}

bool has_signature(const std::string& path) {
  constexpr char signature[] = "\x89HDF\r\n\x1a\n";
  char head[8] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof head);
  return std::memcmp(head, signature, sizeof head) == 0;
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

void write_attribute(hid_t object, const std::string& name, const Handle& space, hid_t file_type, hid_t memory_type,
                     const void* value, const std::string& path) {
  const Handle attribute = check(H5Acreate2(object, name.c_str(), file_type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                                 "write attribute '" + name + "' of", path);
  check(H5Awrite(attribute, memory_type, value), "write attribute '" + name + "' of", path);
}

Handle open_attribute(hid_t object, const std::string& name, const std::string& path) {
  if (!has_attribute(object, name)) throw UserError("{} has no attribute '{}'", path, name);
  return check(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, "read attribute '" + name + "' of", path);
}

template <class T>
T read_number(hid_t object, const std::string& name, hid_t memory_type, const std::string& path) {
  const Handle attribute = open_attribute(object, name, path);
  const Handle space(H5Aget_space(attribute), H5Sclose);
  T value{};
  if (H5Sget_simple_extent_npoints(space) != 1 || H5Aread(attribute, memory_type, &value) < 0) {
    throw UserError("attribute '{}' of {} is no number", name, path);
  }
  return value;
}

}  // namespace

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(closer_, other.closer_);
  return *this;
}

herr_t Handle::release() {
  const hid_t id = std::exchange(id_, -1);
  return id >= 0 ? closer_(id) : 0;
}

void Handle::close(const std::string& path) { check(release(), "write", path); }

void fail(const std::string& doing, const std::string& path) {
  const std::string reason = last_error();
  if (mentions(reason, ENOSPC) || mentions(reason, EDQUOT) || mentions(reason, EFBIG)) {
    throw EnvironmentError("there is no space for {}, which holds {} bytes so far; free some or write elsewhere", path,
                           size_of_file(path));
  }
  throw EnvironmentError("cannot {} {}: {}", doing, path, reason);
}

Handle file_access() {
  silence();
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_LATEST);
#if H5_VERSION_GE(1, 12, 1)
  H5Pset_file_locking(access, false, true);
#endif
  return access;
}

Handle create_file(const std::string& path, const Handle& access) {
  return check(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose, "create", path);
}

void check_signature(const std::string& path, const std::string& kind) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw UserError("the {} {} does not exist", kind, path);
  if (std::filesystem::is_directory(path, ignored)) throw UserError("the {} {} is a folder; name a file", kind, path);
  if (::access(path.c_str(), R_OK) != 0) {
    throw UserError("the {} {} cannot be read: {}", kind, path, std::strerror(errno));
  }
  if (!has_signature(path)) throw UserError("{} is no {}: it is no HDF5 file", path, kind);
}

Handle open_file(const std::string& path, const std::string& kind, const Handle& access) {
  check_signature(path, kind);
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), H5Fclose);
  if (!file.open()) {
    throw UserError("the {} {} is cut short or damaged ({}); make or copy it again", kind, path, last_error());
  }
  return file;
}

bool has_link(hid_t parent, const std::string& name) { return H5Lexists(parent, name.c_str(), H5P_DEFAULT) > 0; }

Handle open_dataset(hid_t parent, const std::string& name, const std::string& path) {
  return check(H5Dopen2(parent, name.c_str(), H5P_DEFAULT), H5Dclose, "open dataset '" + name + "' of", path);
}

bool has_attribute(hid_t object, const std::string& name) { return H5Aexists(object, name.c_str()) > 0; }

// Of variable length, which h5py reads as str.
void write_text(hid_t object, const std::string& name, const std::string& value, const std::string& path) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose), type = text_type();
  const char* text = value.c_str();
  write_attribute(object, name, space, type, type, &text, path);
}

void write_integer(hid_t object, const std::string& name, std::int64_t value, const std::string& path) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  write_attribute(object, name, space, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, path);
}

void write_real(hid_t object, const std::string& name, double value, const std::string& path) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  write_attribute(object, name, space, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value, path);
}

void write_bytes(hid_t object, const std::string& name, const std::string& value, const std::string& path) {
  const hsize_t bytes = value.size();
  const Handle space(H5Screate_simple(1, &bytes, nullptr), H5Sclose);
  write_attribute(object, name, space, H5T_STD_U8LE, H5T_NATIVE_UINT8, value.data(), path);
}

std::string read_text(hid_t object, const std::string& name, const std::string& path) {
  const Handle attribute = open_attribute(object, name, path);
  const Handle type(H5Aget_type(attribute), H5Tclose), space(H5Aget_space(attribute), H5Sclose);
  if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1)
    throw UserError("attribute '{}' of {} is no text", name, path);
  if (H5Tis_variable_str(type) > 0) {
    char* text = nullptr;
    check(H5Aread(attribute, type, &text), "read attribute '" + name + "' of", path);
    const std::string value = text == nullptr ? "" : text;
    H5free_memory(text);
    return value;
  }
  std::string value(H5Tget_size(type), '\0');
  check(H5Aread(attribute, type, value.data()), "read attribute '" + name + "' of", path);
  return value.substr(0, value.find('\0'));
}

std::int64_t read_integer(hid_t object, const std::string& name, const std::string& path) {
  return read_number<std::int64_t>(object, name, H5T_NATIVE_INT64, path);
}

double read_real(hid_t object, const std::string& name, const std::string& path) {
  return read_number<double>(object, name, H5T_NATIVE_DOUBLE, path);
}

std::string read_bytes(hid_t object, const std::string& name, const std::string& path) {
  const Handle attribute = open_attribute(object, name, path);
  const Handle space(H5Aget_space(attribute), H5Sclose);
  std::string value(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)), '\0');
  if (H5Aread(attribute, H5T_NATIVE_UINT8, value.data()) < 0) {
    throw UserError("attribute '{}' of {} is no array of bytes", name, path);
  }
  return value;
}

}  // namespace longspan::hdf5
