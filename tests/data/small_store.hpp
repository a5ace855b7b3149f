// A token store of three documents for tests.
#pragma once

#include <string>

#include "data/token_store.hpp"
#include "support/scratch_folder.hpp"

namespace longspan::testing {

inline TokenStoreInfo byte_info(std::int64_t vocabulary = 257) {
  TokenStoreInfo info;
  info.tokenizer = "byte";
  info.source = "memory";
  info.vocabulary = vocabulary;
  info.end_of_document = vocabulary - 1;
  return info;
}

// Documents of 3, 0 and 2 tokens, each with its end.
inline std::string write_small(const ScratchFolder& folder, const std::string& name = "small.h5") {
  TokenStoreWriter writer(folder.path(name), byte_info());
  writer.append({1, 2});
  writer.append({3});
  writer.end_document();
  writer.end_document();
  writer.append({4, 5});
  writer.end_document();
  writer.add_source_bytes(5);
  writer.finish();
  return folder.path(name);
}

}  // namespace longspan::testing
