#include <unistd.h>
#include <xxhash.h>

#include <filesystem>
#include <format>

#include "base/error.hpp"
#include "data/footer.hpp"
#include "data/hdf5.hpp"
#include "data/token_store.hpp"
#include "data/token_store_format.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr std::size_t kBuffered = 32 * kChunk;  // entries that wait in memory for the next write

// A growing one-dimensional dataset.
template <class T>
class GrowingVector {
 public:
  GrowingVector(const Handle& file, const std::string& name, hid_t file_type, hid_t memory_type, std::string path)
      : memory_type_(memory_type), path_(std::move(path)) {
    const hsize_t empty = 0, unlimited = H5S_UNLIMITED, chunk = kChunk;
    const Handle space(H5Screate_simple(1, &empty, &unlimited), H5Sclose),
        layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(layout, 1, &chunk);
    H5Pset_fletcher32(layout);
    dataset_ = hdf5::check(H5Dcreate2(file, name.c_str(), file_type, space, H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose,
                           "write dataset '" + name + "' of", path_);
  }

  void push(T value) {
    buffer_.push_back(value);
    ++size_;
    if (buffer_.size() == kBuffered) flush();
  }

  void flush() {
    const hsize_t end = size_, count = buffer_.size(), start = end - count;
    if (count == 0) return;
    hdf5::check(H5Dset_extent(dataset_, &end), "write", path_);
    const Handle file_space(H5Dget_space(dataset_), H5Sclose), memory(H5Screate_simple(1, &count, nullptr), H5Sclose);
    H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &start, nullptr, &count, nullptr);
    hdf5::check(H5Dwrite(dataset_, memory_type_, memory, file_space, H5P_DEFAULT, buffer_.data()), "write", path_);
    buffer_.clear();
  }

  // The bytes of the file that hold its chunks.
  std::vector<Range> finish() {
    flush();
    std::vector<Range> chunks;
    const auto add = [](const hsize_t*, unsigned, haddr_t address, hsize_t bytes, void* to) {
      const auto begin = static_cast<std::int64_t>(address);
      static_cast<std::vector<Range>*>(to)->push_back({begin, begin + static_cast<std::int64_t>(bytes)});
      return H5_ITER_CONT;
    };
    hdf5::check(H5Dflush(dataset_), "write", path_);
    hdf5::check(H5Dchunk_iter(dataset_, H5P_DEFAULT, add, &chunks), "write", path_);
    dataset_.close(path_);
    return chunks;
  }
  std::uint64_t size() const { return size_; }

 private:
  Handle dataset_;
  hid_t memory_type_;
  std::string path_;
  std::vector<T> buffer_;
  std::uint64_t size_ = 0;
};

// What one token takes in the file.
bool fits_two_bytes(std::int64_t vocabulary) { return vocabulary <= 65536; }

class Checksum {
 public:
  Checksum() : state_(XXH64_createState()) { XXH64_reset(state_, 0); }
  ~Checksum() { XXH64_freeState(state_); }
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  template <class T>
  void add(T value) {
    XXH64_update(state_, &value, sizeof value);
  }
  std::string text() const { return std::format("{:016x}", XXH64_digest(state_)); }

 private:
  XXH64_state_t* state_;
};

}  // namespace

struct TokenStoreWriter::File {
  std::string path, temporary;
  TokenStoreInfo info;
  Handle file;
  std::unique_ptr<GrowingVector<std::uint32_t>> tokens;
  std::unique_ptr<GrowingVector<std::uint64_t>> documents;
  Checksum checksum;
  std::uint64_t ended = 0;  // tokens in finished documents
  bool finished = false;

  void push(std::int64_t token) {
    LONGSPAN_CHECK(token >= 0 && token < info.vocabulary, "[token store] token {} of a vocabulary of {}", token,
                   info.vocabulary);
    tokens->push(static_cast<std::uint32_t>(token));
    if (fits_two_bytes(info.vocabulary)) {
      checksum.add(static_cast<std::uint16_t>(token));
    } else {
      checksum.add(static_cast<std::uint32_t>(token));
    }
  }
};

TokenStoreWriter::TokenStoreWriter(const std::string& path, const TokenStoreInfo& info)
    : file_(std::make_unique<File>()) {
  file_->path = path;
  file_->temporary = std::format("{}.{}.partial", path, getpid());
  file_->info = info;
  file_->file = hdf5::create_file(file_->temporary);
  file_->tokens = std::make_unique<GrowingVector<std::uint32_t>>(
      file_->file, kTokens, fits_two_bytes(info.vocabulary) ? H5T_STD_U16LE : H5T_STD_U32LE, H5T_NATIVE_UINT32,
      file_->temporary);
  file_->documents = std::make_unique<GrowingVector<std::uint64_t>>(file_->file, kDocuments, H5T_STD_U64LE,
                                                                    H5T_NATIVE_UINT64, file_->temporary);
  file_->documents->push(0);
}

TokenStoreWriter::~TokenStoreWriter() {
  if (file_->finished) return;
  std::error_code ignored;
  std::filesystem::remove(file_->temporary, ignored);
}

void TokenStoreWriter::append(const std::vector<std::int32_t>& tokens) {
  for (const std::int32_t token : tokens) file_->push(token);
}

void TokenStoreWriter::end_document() {
  file_->push(file_->info.end_of_document);
  file_->ended = file_->tokens->size();
  file_->documents->push(file_->ended);
}

void TokenStoreWriter::add_source_bytes(std::int64_t bytes) { file_->info.source_bytes += bytes; }

TokenStoreInfo TokenStoreWriter::finish() {
  File& f = *file_;
  LONGSPAN_CHECK(f.tokens->size() == f.ended, "[token store] the last document of {} has no end", f.path);
  TokenStoreInfo& info = f.info;
  info.tokens = static_cast<std::int64_t>(f.tokens->size());
  info.documents = static_cast<std::int64_t>(f.documents->size()) - 1;
  info.checksum = f.checksum.text();
  const std::string& at = f.temporary;
  hdf5::write_integer(f.file, "format_version", kTokenStoreVersion, at);
  hdf5::write_text(f.file, "tokenizer", info.tokenizer, at);
  if (!info.tokenizer_model.empty()) hdf5::write_bytes(f.file, "tokenizer_model", info.tokenizer_model, at);
  hdf5::write_integer(f.file, "vocabulary", info.vocabulary, at);
  hdf5::write_integer(f.file, "end_of_document", info.end_of_document, at);
  hdf5::write_text(f.file, "source", info.source, at);
  hdf5::write_integer(f.file, "source_bytes", info.source_bytes, at);
  hdf5::write_text(f.file, "checksum", info.checksum, at);
  const std::vector<Range> chunks = f.tokens->finish();
  f.documents->finish();
  hdf5::check(H5Fflush(f.file, H5F_SCOPE_GLOBAL), "write", at);
  f.file.close(at);
  append_footer(at, chunks);
  std::error_code error;
  std::filesystem::rename(f.temporary, f.path, error);
  if (error) throw EnvironmentError("{} cannot be replaced: {}", f.path, error.message());
  f.finished = true;
  return info;
}

}  // namespace longspan
