// Trains a sentencepiece model that loses nothing: no normalisation, spaces kept, bytes for what is not in the
// vocabulary.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace longspan {

// `next_line(line)` gives the next stretch of text (at most kSentenceBytes of it are used, the rest of a longer one is
// cut off) or returns false. Returns the serialised model. A corpus too small for `vocabulary` pieces gives fewer.
// UserError where there is no text or the vocabulary is too small to hold the 256 bytes.
inline constexpr std::size_t kSentenceBytes = 4096;
std::string train_sentencepiece(const std::function<bool(std::string& line)>& next_line, std::int64_t vocabulary);

}  // namespace longspan
