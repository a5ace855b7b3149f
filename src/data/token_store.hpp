// A corpus as a file of tokens.
//   /tokens      uint16 or uint32 [tokens], chunked, a Fletcher checksum a chunk (a damaged chunk is never read); each
//                document ends with the tokenizer's end-of-document token
//   /documents   uint64 [documents + 1]: where each document starts, and the number of tokens
//   attributes of the root: format_version, tokenizer ("byte" or "sentencepiece"), tokenizer_model (the sentencepiece
//   model's bytes as uint8 array, absent for byte), vocabulary, end_of_document, source (what was read), source_bytes,
//   checksum (xxHash64 of the tokens' bytes as 16 hexadecimal digits: it tells two corpora apart)
// The file ends with a footer that guards all but the chunks of /tokens (data/footer.hpp).
// A process reads it by itself; nothing here is collective.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace longspan {

struct TokenStoreInfo {
  std::string tokenizer, source;
  std::string tokenizer_model;  // serialised sentencepiece model; empty for byte
  std::int64_t vocabulary = 0, end_of_document = -1;
  std::int64_t tokens = 0, documents = 0, source_bytes = 0;
  std::string checksum;
};

class TokenStore {
 public:
  // UserError where the file is missing, truncated, no HDF5 file, no token store or of another format version.
  explicit TokenStore(const std::string& path);
  // No file: one document of `tokens` times token 0. What a plan reads where data does not matter.
  static TokenStore blank(std::int64_t vocabulary, std::int64_t tokens);
  ~TokenStore();
  TokenStore(TokenStore&&) noexcept;

  const TokenStoreInfo& info() const { return info_; }
  const std::string& path() const { return path_; }
  // tokens [first, first + count). UserError naming the position where a token is not below the vocabulary, or the file
  // where it is damaged.
  std::vector<std::int32_t> read(std::int64_t first, std::int64_t count) const;
  // Starts of the documents inside [first, first + count), relative to first, ascending.
  std::vector<std::int64_t> document_starts(std::int64_t first, std::int64_t count) const;

 private:
  struct File;
  TokenStore();
  std::string path_;
  TokenStoreInfo info_;
  std::unique_ptr<File> file_;  // null: blank
  std::vector<std::int64_t> documents_;
};

// Writes a token store by streaming: memory stays flat whatever the corpus. The file has a temporary name until
// finish().
class TokenStoreWriter {
 public:
  // Takes tokenizer, tokenizer_model, vocabulary, end_of_document, source and source_bytes from `info`.
  TokenStoreWriter(const std::string& path, const TokenStoreInfo& info);
  ~TokenStoreWriter();  // removes the temporary file where finish() was not reached

  void append(const std::vector<std::int32_t>& tokens);  // part of the present document
  void end_document();                                   // appends the end-of-document token
  void add_source_bytes(std::int64_t bytes);
  TokenStoreInfo finish();  // replaces the file at `path`

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace longspan
