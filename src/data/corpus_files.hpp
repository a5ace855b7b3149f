// The files of a corpus, each one a document, and their text in blocks.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace longspan {

struct CorpusFile {
  std::string path;
  std::int64_t bytes = 0;
};

// `input` lists files, folders (with all below them) and glob patterns, separated by commas; `extensions`, such as
// ".txt,.rst", picks among the files inside folders, "" takes all. Hidden entries of folders are left out. Sorted by
// path, each file once. UserError naming what matches nothing.
std::vector<CorpusFile> find_files(const std::string& input, const std::string& extensions);

// A stretch of a document that ends with a line, where lines are shorter than a block.
struct Block {
  std::string text;
  bool ends_document = false;
};

// Reads the files one after the other; holds one block at a time. A file whose first block has a NUL byte is no text
// and is skipped.
class CorpusReader {
 public:
  static constexpr std::int64_t kBlockBytes = 64 << 10;

  // Of each file only the first `share` is read.
  explicit CorpusReader(const std::vector<CorpusFile>& files, double share = 1) : files_(files), share_(share) {}

  bool next(Block& block);
  std::int64_t bytes_read() const { return bytes_read_; }        // of text
  std::int64_t bytes_skipped() const { return bytes_skipped_; }  // in files that are no text
  std::int64_t files_skipped() const { return files_skipped_; }

 private:
  void open_file();
  bool read_block();  // false where the file turns out to be no text

  const std::vector<CorpusFile>& files_;
  double share_;
  std::size_t next_file_ = 0;
  std::ifstream file_;
  std::int64_t left_ = 0;  // bytes of the open file that are still to be read
  std::string pending_;    // read, and not yet given out
  bool in_file_ = false, first_block_ = false;
  std::int64_t bytes_read_ = 0, bytes_skipped_ = 0, files_skipped_ = 0;
};

}  // namespace longspan
