#include "data/token_store.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "data/footer.hpp"
#include "data/hdf5.hpp"
#include "data/token_store_format.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr const char* kKind = "token store";

struct Dataset {
  Handle dataset;
  std::int64_t size = 0;
};

Dataset open_vector(const Handle& file, const std::string& name, const std::string& path) {
  if (!hdf5::has_link(file, name)) {
    throw UserError("{} is no token store: it is an HDF5 file without /{}; make one with longspan-prepare", path, name);
  }
  Dataset result{hdf5::open_dataset(file, name, path), 0};
  const Handle space(H5Dget_space(result.dataset), H5Sclose), type(H5Dget_type(result.dataset), H5Tclose);
  if (H5Sget_simple_extent_ndims(space) != 1 || H5Tget_class(type) != H5T_INTEGER) {
    throw UserError("{} is no token store: /{} is no vector of whole numbers", path, name);
  }
  result.size = H5Sget_simple_extent_npoints(space);
  return result;
}

template <class T>
std::vector<T> read_vector(const Dataset& from, hid_t memory_type, std::int64_t first, std::int64_t count,
                           const std::string& path) {
  std::vector<T> values(static_cast<std::size_t>(count));
  if (count == 0) return values;
  const hsize_t start = static_cast<hsize_t>(first), size = static_cast<hsize_t>(count);
  const Handle file_space(H5Dget_space(from.dataset), H5Sclose), memory(H5Screate_simple(1, &size, nullptr), H5Sclose);
  H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &start, nullptr, &size, nullptr);
  if (H5Dread(from.dataset, memory_type, memory, file_space, H5P_DEFAULT, values.data()) < 0) {
    throw UserError("the token store {} is damaged: entries {} to {} cannot be read; make or copy it again", path,
                    first, first + count - 1);
  }
  return values;
}

// Starts ascend strictly, for each document has at least its end token.
void check_documents(const std::vector<std::int64_t>& documents, std::int64_t tokens, const std::string& path) {
  const bool consistent = !documents.empty() && documents.front() == 0 && documents.back() == tokens &&
                          std::ranges::adjacent_find(documents, std::greater_equal()) == documents.end();
  if (!consistent) {
    throw UserError("the token store {} is damaged: /documents does not cut its {} tokens into documents", path,
                    tokens);
  }
}

}  // namespace

struct TokenStore::File {
  Handle file;
  Dataset tokens;
};

TokenStore::TokenStore(const std::string& path) : path_(path), file_(std::make_unique<File>()) {
  Handle& file = file_->file = open_guarded(path, kKind);
  file_->tokens = open_vector(file, kTokens, path);
  const Dataset documents = open_vector(file, kDocuments, path);
  const std::int64_t version = hdf5::read_integer(file, "format_version", path);
  if (version != kTokenStoreVersion) {
    throw UserError("the token store {} has format version {}, but this program reads version {}; make it again", path,
                    version, kTokenStoreVersion);
  }
  info_.tokenizer = hdf5::read_text(file, "tokenizer", path);
  if (hdf5::has_attribute(file, "tokenizer_model")) {
    info_.tokenizer_model = hdf5::read_bytes(file, "tokenizer_model", path);
  }
  info_.source = hdf5::read_text(file, "source", path);
  info_.checksum = hdf5::read_text(file, "checksum", path);
  info_.vocabulary = hdf5::read_integer(file, "vocabulary", path);
  info_.end_of_document = hdf5::read_integer(file, "end_of_document", path);
  info_.source_bytes = hdf5::read_integer(file, "source_bytes", path);
  info_.tokens = file_->tokens.size;
  documents_ = read_vector<std::int64_t>(documents, H5T_NATIVE_INT64, 0, documents.size, path);
  check_documents(documents_, info_.tokens, path);
  info_.documents = static_cast<std::int64_t>(documents_.size()) - 1;
}

TokenStore TokenStore::blank(std::int64_t vocabulary, std::int64_t tokens) {
  TokenStore store;
  store.path_ = "blank tokens";
  store.info_ = {.tokenizer = "none", .source = "none", .vocabulary = vocabulary, .tokens = tokens, .documents = 1};
  store.documents_ = {0, tokens};
  return store;
}

TokenStore::TokenStore() = default;
TokenStore::~TokenStore() = default;
TokenStore::TokenStore(TokenStore&&) noexcept = default;

std::vector<std::int32_t> TokenStore::read(std::int64_t first, std::int64_t count) const {
  LONGSPAN_CHECK(first >= 0 && count >= 0 && first + count <= info_.tokens, "[token store] {} has no tokens {} to {}",
                 path_, first, first + count);
  if (!file_) return std::vector<std::int32_t>(static_cast<std::size_t>(count), 0);
  // HDF5 clips what does not fit into int32, so that it stays outside of every vocabulary.
  auto tokens = read_vector<std::int32_t>(file_->tokens, H5T_NATIVE_INT32, first, count, path_);
  const auto wrong = std::ranges::find_if(tokens, [&](auto token) { return token < 0 || token >= info_.vocabulary; });
  if (wrong != tokens.end()) {
    throw UserError("{} holds token {} at position {}, but its vocabulary has {} tokens; make it again", path_, *wrong,
                    first + (wrong - tokens.begin()), info_.vocabulary);
  }
  return tokens;
}

std::vector<std::int64_t> TokenStore::document_starts(std::int64_t first, std::int64_t count) const {
  LONGSPAN_CHECK(first >= 0 && count >= 0 && first + count <= info_.tokens, "[token store] {} has no tokens {} to {}",
                 path_, first, first + count);
  // The last entry of documents_ is the end of the corpus, which no range reaches.
  std::vector<std::int64_t> starts;
  for (auto start = std::ranges::lower_bound(documents_, first); *start < first + count; ++start) {
    starts.push_back(*start - first);
  }
  return starts;
}

}  // namespace longspan
