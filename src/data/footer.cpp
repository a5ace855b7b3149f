#include "data/footer.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/error.hpp"
#include "base/place_file.hpp"

namespace longspan {
namespace {

constexpr char kMagic[] = "LONGSPAN";
constexpr std::int64_t kPair = 16, kEnd = 32;  // bytes of a pair, and of what stands behind the pairs
constexpr std::int64_t kPiece = 4 << 20;       // bytes read at once

struct Footer {
  std::vector<Range> values;
  std::uint64_t description = 0;

  // All but its own hash and the last word.
  std::string text() const {
    std::string bytes;
    const auto add = [&bytes](std::uint64_t n) { bytes.append(reinterpret_cast<const char*>(&n), sizeof n); };
    for (const Range& range : values) {
      add(static_cast<std::uint64_t>(range.begin));
      add(static_cast<std::uint64_t>(range.end));
    }
    add(values.size());
    add(description);
    return bytes;
  }
};

std::int64_t size_of_file(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(bytes);
}

// Ascending, without empty ones and borders between neighbours.
std::vector<Range> joined(std::vector<Range> ranges) {
  std::erase_if(ranges, [](const Range& range) { return range.size() == 0; });
  std::ranges::sort(ranges, {}, &Range::begin);
  std::vector<Range> runs;
  for (const Range& range : ranges) {
    if (!runs.empty() && runs.back().end == range.begin) {
      runs.back().end = range.end;
    } else {
      runs.push_back(range);
    }
  }
  return runs;
}

// xxHash64 of the bytes before `end` that are in none of the ranges, which ascend.
std::uint64_t hash_around(const std::string& path, const std::vector<Range>& ranges, std::int64_t end) {
  const std::unique_ptr<XXH64_state_t, XXH_errorcode (*)(XXH64_state_t*)> hash{XXH64_createState(), XXH64_freeState};
  XXH64_reset(hash.get(), 0);
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(kPiece);
  std::int64_t at = 0;
  const auto add_up_to = [&](std::int64_t next) {
    file.seekg(at);
    while (at < next) {
      const std::int64_t count = std::min(kPiece, next - at);
      file.read(piece.data(), count);
      XXH64_update(hash.get(), piece.data(), static_cast<std::size_t>(file.gcount()));
      at += count;
    }
  };
  for (const Range& range : ranges) {
    add_up_to(range.begin);
    at = range.end;
  }
  add_up_to(end);
  return XXH64_digest(hash.get());
}

[[noreturn]] void damaged(const std::string& path, const std::string& kind, const char* how) {
  throw UserError("the {} {} is damaged: {}; use another one", kind, path, how);
}

// The last `count` bytes before `end`.
std::string bytes_before(const std::string& path, std::int64_t end, std::int64_t count) {
  std::string bytes(static_cast<std::size_t>(count), '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(end - count);
  file.read(bytes.data(), count);
  return bytes;
}

std::uint64_t number_at(const std::string& bytes, std::int64_t at) {
  std::uint64_t n = 0;
  std::memcpy(&n, bytes.data() + at, sizeof n);
  return n;
}

// The footer of a file whose last word is the right one.
Footer read_footer(const std::string& path, const std::string& kind, std::int64_t size) {
  const std::string last = bytes_before(path, size, kEnd);
  const std::uint64_t count = number_at(last, 0);
  if (count > static_cast<std::uint64_t>((size - kEnd) / kPair)) damaged(path, kind, "its footer is wrong");
  Footer footer{.description = number_at(last, 8)};
  const auto pairs = static_cast<std::int64_t>(count) * kPair;
  const std::string text = bytes_before(path, size - kEnd, pairs);
  std::int64_t previous = 0;
  for (std::int64_t at = 0; at < pairs; at += kPair) {
    const Range range{static_cast<std::int64_t>(number_at(text, at)),
                      static_cast<std::int64_t>(number_at(text, at + 8))};
    if (range.begin < previous || range.end < range.begin) damaged(path, kind, "its footer is wrong");
    previous = range.end;
    footer.values.push_back(range);
  }
  const std::string own = footer.text();
  if (previous > size - kEnd - pairs || XXH64(own.data(), own.size(), 0) != number_at(last, 16)) {
    damaged(path, kind, "its footer is wrong");
  }
  return footer;
}

}  // namespace

void append_footer(const std::string& path, std::vector<Range> values) {
  Footer footer{.values = joined(std::move(values))};
  footer.description = hash_around(path, footer.values, size_of_file(path));
  std::string bytes = footer.text();
  const std::uint64_t hash = XXH64(bytes.data(), bytes.size(), 0);
  bytes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  std::ofstream file(path, std::ios::binary | std::ios::app);
  file << bytes << kMagic;
  file.close();
  if (!file) fail_writing(path, errno);
}

bool has_footer(const std::string& path) {
  const std::int64_t size = size_of_file(path);
  return size >= kEnd && bytes_before(path, size, 8) == kMagic;
}

void check_footer(const std::string& path, const std::string& kind) {
  if (!has_footer(path)) {
    throw UserError(
        "{} is no whole {}: it does not end with a footer (it is another file, was cut short, or another version or "
        "program wrote it); use another one",
        path, kind);
  }
  const std::int64_t size = size_of_file(path);
  const Footer footer = read_footer(path, kind, size);
  const std::int64_t end = size - kEnd - kPair * static_cast<std::int64_t>(footer.values.size());
  if (hash_around(path, footer.values, end) != footer.description) damaged(path, kind, "its description is wrong");
}

hdf5::Handle open_guarded(const std::string& path, const std::string& kind) {
  hdf5::check_signature(path, kind);
  check_footer(path, kind);
  return hdf5::open_file(path, kind);
}

}  // namespace longspan
