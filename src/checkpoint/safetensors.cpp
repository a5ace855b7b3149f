#include "checkpoint/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/place_file.hpp"

namespace longspan {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kLongestHeader = 100'000'000;  // bytes, as the format's own library allows
constexpr std::int64_t kLengthBytes = 8;

static_assert(std::endian::native == std::endian::little);

std::int64_t bytes_of(const std::string& dtype) {
  static const std::map<std::string, std::int64_t> kBytes = {
      {"F64", 8},  {"I64", 8}, {"U64", 8}, {"F32", 4}, {"I32", 4}, {"U32", 4}, {"F16", 2},
      {"BF16", 2}, {"I16", 2}, {"U16", 2}, {"I8", 1},  {"U8", 1},  {"BOOL", 1}};
  const auto found = kBytes.find(dtype);
  return found == kBytes.end() ? 0 : found->second;
}

const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return "F64";
    case Dtype::float32:
      return "F32";
    case Dtype::bfloat16:
      return "BF16";
    case Dtype::int32:
      return "I32";
    default:
      return "I64";
  }
}

[[noreturn]] void damaged(const std::string& path, const std::string& how) {
  throw UserError("the safetensors file {} is damaged: {}; make or copy it again", path, how);
}

// A whole number >= 0 that a signed one holds.
std::int64_t count_in(const Json& value, const std::string& what, const std::string& path) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    damaged(path, what + " is no whole number");
  }
  return value.get<std::int64_t>();
}

SafeTensor read_entry(const std::string& name, const Json& entry, std::int64_t data_bytes, const std::string& path) {
  const auto field = [&](const char* key) -> const Json& {
    const auto found = entry.is_object() ? entry.find(key) : entry.end();
    if (!entry.is_object() || found == entry.end()) damaged(path, name + " has no " + key);
    return *found;
  };
  SafeTensor tensor;
  const Json &dtype = field("dtype"), &shape = field("shape"), &offsets = field("data_offsets");
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2) {
    damaged(path, "the entry of " + name + " has another form");
  }
  tensor.dtype = dtype.get<std::string>();
  tensor.begin = count_in(offsets[0], "an offset of " + name, path);
  tensor.end = count_in(offsets[1], "an offset of " + name, path);
  if (tensor.begin > tensor.end || tensor.end > data_bytes) damaged(path, name + " lies outside of it");
  std::int64_t bytes = bytes_of(tensor.dtype);
  if (bytes == 0) throw UserError("{} in {} is of type {}, which this program does not know", name, path, tensor.dtype);
  for (const Json& n : shape) {
    tensor.dims.push_back(count_in(n, "a dimension of " + name, path));
    if (tensor.dims.back() != 0 && bytes > data_bytes / tensor.dims.back()) damaged(path, name + " lies outside of it");
    bytes *= tensor.dims.back();
  }
  if (bytes != tensor.end - tensor.begin) damaged(path, "the bytes of " + name + " are not those of its shape");
  return tensor;
}

// The tensors follow one another to the end of the file.
void check_without_gaps(const std::map<std::string, SafeTensor>& tensors, std::int64_t data_bytes,
                        const std::string& path) {
  std::vector<std::pair<std::int64_t, std::int64_t>> places;
  for (const auto& [name, tensor] : tensors) places.emplace_back(tensor.begin, tensor.end);
  std::ranges::sort(places);
  std::int64_t end = 0;
  for (const auto& [begin, next] : places) {
    if (begin != end) damaged(path, "its tensors overlap or leave gaps");
    end = next;
  }
  if (end != data_bytes) damaged(path, "it is longer than its tensors");
}

// IEEE half precision: a sign, 5 bits of exponent, 10 of fraction.
float from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits >> 15) << 31, fraction = bits & 0x3ffu;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  if (exponent == 0) {
    const float small = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -small : small;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

std::vector<std::byte> halves_to_floats(const std::vector<std::byte>& halves) {
  std::vector<std::byte> floats(2 * halves.size());
  for (std::size_t i = 0; 2 * i < halves.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, halves.data() + 2 * i, 2);
    const float value = from_half(bits);
    std::memcpy(floats.data() + 4 * i, &value, 4);
  }
  return floats;
}

}  // namespace

std::int64_t SafeTensor::elements() const { return (end - begin) / bytes_of(dtype); }

SafetensorsReader::SafetensorsReader(const std::string& path) : path_(path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw UserError("the safetensors file {} does not exist", path);
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path, error));
  std::ifstream file(path, std::ios::binary);
  if (error || !file) throw UserError("the safetensors file {} cannot be read: {}", path, std::strerror(errno));
  std::uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), kLengthBytes);
  const std::int64_t longest = std::min(kLongestHeader, size - kLengthBytes);
  if (!file || length < 2 || longest < 0 || length > static_cast<std::uint64_t>(longest)) {
    throw UserError("{} is no safetensors file, or was cut short: its header would have {} bytes", path, length);
  }
  std::string text(length, '\0');
  file.read(text.data(), static_cast<std::streamsize>(length));
  data_ = kLengthBytes + static_cast<std::int64_t>(length);
  const Json header = file ? Json::parse(text, nullptr, false) : Json(Json::value_t::discarded);
  if (!header.is_object()) throw UserError("{} is no safetensors file: its header is no JSON object", path);
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    if (!tensors_.emplace(name, read_entry(name, entry, size - data_, path)).second) damaged(path, name + " is twice");
  }
  check_without_gaps(tensors_, size - data_, path);
}

SafetensorsReader::Values SafetensorsReader::read(const std::string& name) const {
  const SafeTensor& tensor = tensors_.at(name);
  Values values;
  values.bytes.resize(static_cast<std::size_t>(tensor.end - tensor.begin));
  std::ifstream file(path_, std::ios::binary);
  file.seekg(data_ + tensor.begin);
  file.read(reinterpret_cast<char*>(values.bytes.data()), static_cast<std::streamsize>(values.bytes.size()));
  if (!file) throw UserError("{} in {} cannot be read; make or copy it again", name, path_);
  if (tensor.dtype == "F64") {
    values.dtype = Dtype::float64;
  } else if (tensor.dtype == "BF16") {
    values.dtype = Dtype::bfloat16;
  } else if (tensor.dtype == "F16") {
    values.bytes = halves_to_floats(values.bytes);
  } else if (tensor.dtype != "F32") {
    throw UserError("{} in {} is of type {}; parameters are F64, F32, BF16 or F16", name, path_, tensor.dtype);
  }
  return values;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, const std::vector<Entry>& entries,
                                     const std::map<std::string, std::string>& metadata)
    : path_(path), temporary_(path + ".tmp") {
  Json header = Json::object();
  header["__metadata__"] = metadata;
  std::int64_t begin = 0;
  for (const Entry& entry : entries) {
    std::int64_t end = begin + bytes_of(name_of(entry.dtype));
    for (const std::int64_t n : entry.dims) end = begin + (end - begin) * n;
    header[entry.name] = {{"dtype", name_of(entry.dtype)}, {"shape", entry.dims}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the values are aligned
  const std::uint64_t length = text.size();
  file_.open(temporary_, std::ios::binary | std::ios::trunc);
  file_.write(reinterpret_cast<const char*>(&length), kLengthBytes);
  file_ << text;
  check_written();
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!finished_) std::remove(temporary_.c_str());
}

void SafetensorsWriter::append(const std::vector<std::byte>& values) {
  file_.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size()));
  check_written();
}

void SafetensorsWriter::finish() {
  file_.close();
  check_written();
  place_file(temporary_, path_);
  finished_ = true;
}

void SafetensorsWriter::check_written() {
  if (!file_) {
    const int error = errno;
    std::remove(temporary_.c_str());
    fail_writing(path_, error);
  }
}

}  // namespace longspan
