#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/error.hpp"
#include "data/corpus_files.hpp"
#include "data/utf8.hpp"

namespace longspan {

void CorpusReader::open_file() {
  const CorpusFile& file = files_[next_file_++];
  file_ = std::ifstream(file.path, std::ios::binary);
  if (!file_) throw UserError("the file {} cannot be read: {}", file.path, std::strerror(errno));
  left_ = static_cast<std::int64_t>(std::ceil(share_ * static_cast<double>(file.bytes)));
  pending_.clear();
  in_file_ = first_block_ = true;
}

bool CorpusReader::read_block() {
  const auto kept = pending_.size();
  const auto size = static_cast<std::size_t>(std::min(left_, kBlockBytes));
  pending_.resize(kept + size);
  file_.read(pending_.data() + kept, static_cast<std::streamsize>(size));
  const CorpusFile& file = files_[next_file_ - 1];
  if (static_cast<std::size_t>(file_.gcount()) != size) {
    throw EnvironmentError("the file {} of {} bytes ended early; something else changes it", file.path, file.bytes);
  }
  left_ -= static_cast<std::int64_t>(size);
  const bool is_text = !first_block_ || pending_.find('\0') == std::string::npos;
  first_block_ = false;
  if (is_text) {
    bytes_read_ += static_cast<std::int64_t>(size);
  } else {
    ++files_skipped_;
    bytes_skipped_ += file.bytes;
    in_file_ = false;
  }
  return is_text;
}

bool CorpusReader::next(Block& block) {
  do {
    if (!in_file_) {
      if (next_file_ == files_.size()) return false;
      open_file();
    }
  } while (!read_block());
  block.ends_document = left_ == 0;
  in_file_ = left_ > 0;
  // Lines stay whole where they can, so that no piece of a tokenizer is cut in two.
  const auto newline = pending_.rfind('\n');
  const std::size_t end = block.ends_document            ? pending_.size()
                          : newline != std::string::npos ? newline + 1
                                                         : utf8_cut(pending_, pending_.size() - 4);
  block.text = pending_.substr(0, end);
  pending_.erase(0, end);
  return true;
}

}  // namespace longspan
