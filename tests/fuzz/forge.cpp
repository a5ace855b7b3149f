#include "forge.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

#include "data/footer.hpp"
#include "data/hdf5.hpp"

namespace longspan::fuzz {
namespace {

using hdf5::Handle;

constexpr std::int64_t kLongest = 4096;  // entries of a vector: enough for every border

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

void write_texts(hid_t holder, const std::string& name, const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  const hsize_t count = pointers.size();
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose), space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  H5Tset_size(type, H5T_VARIABLE);
  const Handle attribute(H5Acreate2(holder, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (attribute.open()) H5Awrite(attribute, type, pointers.data());
}

void edit_attribute(hid_t file, std::istringstream& words, const std::string& path) {
  std::string object, name, kind, rest;
  words >> object >> name >> kind;
  std::getline(words >> std::ws, rest);
  if (object.empty() || name.empty() || (object != "/" && !hdf5::has_link(file, object))) return;
  const Handle holder(H5Oopen(file, object.c_str(), H5P_DEFAULT), H5Oclose);
  if (!holder.open()) return;
  if (hdf5::has_attribute(holder, name)) H5Adelete(holder, name.c_str());
  if (kind == "integer") hdf5::write_integer(holder, name, std::strtoll(rest.c_str(), nullptr, 10), path);
  if (kind == "real") hdf5::write_real(holder, name, std::strtod(rest.c_str(), nullptr), path);
  if (kind == "text") hdf5::write_text(holder, name, rest, path);
  if (kind == "bytes" && !rest.empty()) hdf5::write_bytes(holder, name, rest, path);
  if (kind == "texts") write_texts(holder, name, words_of(rest));
}

hid_t type_of(const std::string& name) {
  if (name == "u2") return H5T_STD_U16LE;
  if (name == "u4") return H5T_STD_U32LE;
  if (name == "i8") return H5T_STD_I64LE;
  if (name == "f4") return H5T_IEEE_F32LE;
  return name == "f8" ? H5T_IEEE_F64LE : H5I_INVALID_HID;
}

void edit_dataset(hid_t file, std::istringstream& words) {
  std::string name, kind;
  words >> name >> kind;
  if (name.find_first_not_of('/') == std::string::npos || !hdf5::has_link(file, name)) return;
  const hid_t type = type_of(kind);
  if (kind != "none" && type < 0) return;
  H5Ldelete(file, name.c_str(), H5P_DEFAULT);
  if (type < 0) return;
  std::int64_t count = 0;
  char colon = ':';
  words >> count >> colon;
  const hsize_t entries = static_cast<hsize_t>(std::clamp<std::int64_t>(count, 0, kLongest));
  std::vector<double> values(entries, 0.0);
  for (double& value : values) {
    if (!(words >> value)) break;
  }
  const Handle space(H5Screate_simple(1, &entries, nullptr), H5Sclose);
  const Handle dataset(H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  if (dataset.open() && entries > 0) H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
}

void flip(const std::string& path, std::istringstream& words) {
  std::int64_t at = 0;
  unsigned bit = 0;
  words >> at >> bit;
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  char byte = 0;
  if (at < 0 || !file.seekg(at).get(byte)) return;
  file.seekp(at).put(static_cast<char>(byte ^ (1 << bit % 8)));
}

}  // namespace

void forge(const std::string& path, const std::string& recipe) {
  const std::vector<std::string> lines = lines_of(recipe);
  {
    Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, hdf5::file_access()), H5Fclose);
    for (const std::string& line : lines) {
      std::istringstream words(line);
      std::string edit;
      words >> edit;
      if (edit == "attribute") edit_attribute(file, words, path);
      if (edit == "dataset") edit_dataset(file, words);
    }
    file.close(path);
  }
  append_footer(path, {});
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string edit;
    std::int64_t length = 0;
    words >> edit;
    if (edit == "flip") flip(path, words);
    if (edit == "cut" && words >> length && length >= 0 &&
        length < static_cast<std::int64_t>(std::filesystem::file_size(path))) {
      if (truncate(path.c_str(), length) != 0) return;
    }
  }
}

}  // namespace longspan::fuzz
