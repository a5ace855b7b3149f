#include "checkpoint/checksum.hpp"

#include <algorithm>
#include <format>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "checkpoint/tensor_file.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr std::int64_t kPieceBytes = 16 << 20;  // read at once

template <class Word>
std::uint64_t sum_of_words(const void* elements, std::int64_t first, std::int64_t count) {
  const Word* const words = static_cast<const Word*>(elements);
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    sum += mix64(words[i] ^ static_cast<std::uint64_t>(first + i) * 0x9e3779b97f4a7c15ull);
  }
  return sum;
}

}  // namespace

std::uint64_t sum_of_elements(const void* elements, std::size_t element_bytes, std::int64_t first, std::int64_t count) {
  switch (element_bytes) {
    case 1:
      return sum_of_words<std::uint8_t>(elements, first, count);
    case 2:
      return sum_of_words<std::uint16_t>(elements, first, count);
    case 4:
      return sum_of_words<std::uint32_t>(elements, first, count);
    default:
      LONGSPAN_CHECK(element_bytes == 8, "[checksum] elements of {} bytes", element_bytes);
      return sum_of_words<std::uint64_t>(elements, first, count);
  }
}

std::int64_t rows_of(hid_t dataset) {
  const auto dims = stored_dims(dataset);
  return dims.empty() ? 1 : dims[0];
}

std::uint64_t sum_of_rows(hid_t dataset, const Range& rows, const std::string& path) {
  const Handle type(H5Dget_type(dataset), H5Tclose);
  const std::size_t element_bytes = H5Tget_size(type);
  std::int64_t row = 1;  // elements
  const auto dims = stored_dims(dataset);
  for (std::size_t i = 1; i < dims.size(); ++i) row *= dims[i];
  if (row == 0) return 0;
  const std::int64_t piece = std::max<std::int64_t>(1, kPieceBytes / (row * static_cast<std::int64_t>(element_bytes)));
  std::uint64_t sum = 0;
  for (std::int64_t first = rows.begin; first < rows.end; first += piece) {
    const std::int64_t count = std::min(piece, rows.end - first);
    const auto values = read_part(dataset, 0, {{.first = first, .count = count}}, path);
    sum += sum_of_elements(values.data(), element_bytes, first * row, count * row);
  }
  return sum;
}

std::string checksum_text(std::uint64_t sum) { return std::format("{:016x}", sum); }

}  // namespace longspan
