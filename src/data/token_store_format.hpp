// Names and numbers that the reader and the writer of a token store share.
#pragma once

#include <cstdint>

namespace longspan {

inline constexpr std::int64_t kTokenStoreVersion = 2;
inline constexpr const char* kTokens = "tokens";
inline constexpr const char* kDocuments = "documents";
inline constexpr std::int64_t kChunk = 32768;  // entries of a dataset that are stored, and checksummed, together

}  // namespace longspan
