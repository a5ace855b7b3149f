// A token store that was forged by a recipe (forge.hpp): objects / , tokens, documents.
#include "base/error.hpp"
#include "data/token_store.hpp"
#include "forge.hpp"
#include "target.hpp"

namespace longspan::fuzz {
namespace {

void write_right(const std::string& path) {
  TokenStoreInfo info;
  info.tokenizer = "byte";
  info.source = "memory";
  info.vocabulary = 257;
  info.end_of_document = 256;
  TokenStoreWriter writer(path, info);
  writer.append({1, 2, 3});
  writer.end_document();
  writer.append({4, 5});
  writer.end_document();
  writer.finish();
}

}  // namespace

void fuzz_one(const std::string& input) {
  static const std::string right = content_made_by(write_right);
  const MemoryFile file(right);
  forge(file.path(), input);
  try {
    const TokenStore store(file.path());
    store.read(0, store.info().tokens);
    store.document_starts(0, store.info().tokens);
  } catch (const Error&) {
  }
}

}  // namespace longspan::fuzz
