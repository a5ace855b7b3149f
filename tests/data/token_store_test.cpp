#include "data/token_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <numeric>
#include <random>

#include "data/footer.hpp"
#include "data/hdf5.hpp"
#include "small_store.hpp"
#include "support/expect_error.hpp"
#include "support/mutations.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using hdf5::Handle;
using testing::byte_info;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ScratchFolder;
using testing::sentence_of;
using testing::write_small;
using Tokens = std::vector<std::int32_t>;

std::int64_t num_files(const ScratchFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator());
}

std::string open_complaint(const std::string& path) {
  return sentence_of([&] { TokenStore{path}; });
}

TEST(TokenStore, ReadsWhatWasWritten) {
  const ScratchFolder folder;
  const TokenStore store(write_small(folder));
  EXPECT_EQ(store.info().tokens, 8);
  EXPECT_EQ(store.info().documents, 3);
  EXPECT_EQ(store.info().source_bytes, 5);
  EXPECT_EQ(store.info().tokenizer, "byte");
  EXPECT_EQ(store.info().source, "memory");
  EXPECT_EQ(store.info().vocabulary, 257);
  EXPECT_EQ(store.info().end_of_document, 256);
  EXPECT_EQ(store.info().checksum.size(), 16u);
  EXPECT_THAT(store.read(0, 8), ElementsAre(1, 2, 3, 256, 256, 4, 5, 256));
  EXPECT_THAT(store.read(2, 3), ElementsAre(3, 256, 256));
  EXPECT_THAT(store.read(8, 0), ElementsAre());
  EXPECT_THROW(store.read(7, 2), std::logic_error);
}

TEST(TokenStore, DocumentStartsAreRelativeToTheirRange) {
  const ScratchFolder folder;
  const TokenStore store(write_small(folder));
  EXPECT_THAT(store.document_starts(0, 8), ElementsAre(0, 4, 5));
  EXPECT_THAT(store.document_starts(1, 4), ElementsAre(3));
  EXPECT_THAT(store.document_starts(4, 1), ElementsAre(0));
  EXPECT_THAT(store.document_starts(5, 3), ElementsAre(0));
  EXPECT_THAT(store.document_starts(6, 2), ElementsAre());
}

TEST(TokenStore, HoldsManyChunksOfWideTokens) {
  const ScratchFolder folder;
  const std::int64_t n = 2'100'000;
  Tokens tokens(n);
  for (std::int64_t i = 0; i < n; ++i) tokens[i] = static_cast<std::int32_t>(i * 7919 % 128000);
  TokenStoreInfo info = byte_info(128001);
  info.tokenizer = "sentencepiece";
  info.tokenizer_model = std::string(400'000, '\0') + "end";  // above the 64 KiB of old attributes
  info.source = std::string(100'000, 's');
  TokenStoreWriter writer(folder.path("a.h5"), info);
  writer.append(tokens);
  writer.end_document();
  writer.finish();
  const TokenStore store(folder.path("a.h5"));
  EXPECT_EQ(store.read(0, n), tokens);
  EXPECT_EQ(store.read(n, 1), Tokens{128000});
  EXPECT_EQ(store.read(1'048'570, 12), Tokens(tokens.begin() + 1'048'570, tokens.begin() + 1'048'582));
  EXPECT_EQ(store.info().tokenizer_model, info.tokenizer_model);
  EXPECT_EQ(store.info().source, info.source);
}

TEST(TokenStore, TakesTwoBytesATokenUpTo65536Tokens) {
  const ScratchFolder folder;
  for (const std::int64_t vocabulary : {65536, 65537}) {
    TokenStoreWriter writer(folder.path("a.h5"), byte_info(vocabulary));
    writer.append({static_cast<std::int32_t>(vocabulary) - 2});
    writer.end_document();
    writer.finish();
    const Handle file = hdf5::open_file(folder.path("a.h5"), "file");
    const Handle tokens = hdf5::open_dataset(file, "tokens", ""), type(H5Dget_type(tokens), H5Tclose);
    EXPECT_EQ(H5Tget_size(type), vocabulary == 65536 ? 2u : 4u);
    const int last = static_cast<int>(vocabulary) - 1;
    EXPECT_THAT(TokenStore(folder.path("a.h5")).read(0, 2), ElementsAre(last - 1, last));
  }
}

TEST(TokenStore, ChecksumTellsCorporaApart) {
  const ScratchFolder folder;
  const std::string same = TokenStore(write_small(folder, "a.h5")).info().checksum;
  EXPECT_EQ(TokenStore(write_small(folder, "b.h5")).info().checksum, same);
  TokenStoreWriter writer(folder.path("c.h5"), byte_info());
  writer.append({1});
  writer.end_document();
  EXPECT_NE(writer.finish().checksum, same);
}

TEST(TokenStore, WriterReplacesOnlyAtTheEnd) {
  const ScratchFolder folder;
  const std::string path = folder.write("a.h5", "old");
  {
    TokenStoreWriter writer(path, byte_info());
    writer.append({1});
    EXPECT_EQ(folder.read("a.h5"), "old");
  }
  EXPECT_EQ(folder.read("a.h5"), "old");
  EXPECT_EQ(num_files(folder), 1);
  write_small(folder, "a.h5");
  EXPECT_EQ(TokenStore(path).info().tokens, 8);
  EXPECT_EQ(num_files(folder), 1);
}

TEST(TokenStore, WriterRefusesTokensOutsideTheVocabularyAndOpenDocuments) {
  const ScratchFolder folder;
  TokenStoreWriter writer(folder.path("a.h5"), byte_info());
  EXPECT_THROW(writer.append({257}), std::logic_error);
  EXPECT_THROW(writer.append({-1}), std::logic_error);
  writer.append({1});
  EXPECT_THROW(writer.finish(), std::logic_error);
}

TEST(TokenStore, FullDiskIsNamedAndLeavesNothing) {
  const ScratchFolder folder;
  const auto previous = signal(SIGXFSZ, SIG_IGN);
  rlimit saved{};
  getrlimit(RLIMIT_FSIZE, &saved);
  const rlimit small{1 << 20, saved.rlim_max};  // behaves as a disk with 1 MiB left
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string sentence = sentence_of<EnvironmentError>([&] {
    TokenStoreWriter writer(folder.path("a.h5"), byte_info());
    writer.append(Tokens(5'000'000, 7));
    writer.end_document();
    writer.finish();
  });
  setrlimit(RLIMIT_FSIZE, &saved);
  signal(SIGXFSZ, previous);
  EXPECT_THAT(sentence, HasSubstr("there is no space for " + folder.path("a.h5")));
  EXPECT_THAT(sentence, HasSubstr("bytes"));
  EXPECT_EQ(num_files(folder), 0);
}

TEST(TokenStoreDamage, EachKindOfWrongFileHasItsSentence) {
  const ScratchFolder folder;
  EXPECT_EQ(open_complaint(folder.path("none.h5")), "the token store " + folder.path("none.h5") + " does not exist");
  EXPECT_THAT(open_complaint(folder.path()), HasSubstr("is a folder"));
  for (const std::string content : {"", "\x89HD", "once upon a time there was a text"}) {
    EXPECT_THAT(open_complaint(folder.write("a.h5", content)), HasSubstr("it is no HDF5 file"));
  }
  hdf5::create_file(folder.path("b.h5")).close("");
  EXPECT_THAT(open_complaint(folder.path("b.h5")), HasSubstr("is no whole token store"));
  append_footer(folder.path("b.h5"), {});
  EXPECT_THAT(open_complaint(folder.path("b.h5")), HasSubstr("it is an HDF5 file without /tokens"));
}

TEST(TokenStoreDamage, TruncationAtAnyLengthIsNoticed) {
  const ScratchFolder folder;
  write_small(folder);
  const std::string whole = folder.read("small.h5");
  for (std::size_t length = 8; length < whole.size(); length += 1 + length / 3) {
    const std::string path = folder.write("cut.h5", whole.substr(0, length));
    EXPECT_THAT(open_complaint(path), HasSubstr("is no whole token store")) << length;
  }
  EXPECT_THAT(open_complaint(folder.write("cut.h5", whole.substr(0, whole.size() - 1))), HasSubstr("was cut short"));
}

TEST(TokenStoreDamage, FlippedBytesNeverGiveOtherTokens) {
  const ScratchFolder folder;
  const TokenStore intact(write_small(folder));
  const Tokens expected = intact.read(0, 8);
  const std::string whole = folder.read("small.h5");
  int noticed = 0;
  const std::size_t tokens = whole.find(std::string("\1\0\2\0\3\0\0\1\0\1\4\0\5\0\0\1", 16));
  ASSERT_NE(tokens, std::string::npos);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < 300; ++i) places.push_back(i);                  // the first metadata
  for (std::size_t i = tokens; i < tokens + 16; ++i) places.push_back(i);     // each token
  for (std::size_t i = 300; i < whole.size(); i += 499) places.push_back(i);  // all over the file
  for (const std::size_t i : places) {
    std::string broken = whole;
    broken[i] = static_cast<char>(broken[i] ^ 0x40);
    const std::string path = folder.write("broken.h5", broken);
    try {
      EXPECT_EQ(TokenStore(path).read(0, 8), expected) << "byte " << i;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path));
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 0);
}

// Everything that is read of a store.
struct Contents {
  Tokens tokens;
  std::vector<std::int64_t> starts;
  std::int64_t vocabulary, end_of_document, source_bytes;
  bool operator==(const Contents&) const = default;

  static Contents of(const std::string& path) {
    const TokenStore store(path);
    const TokenStoreInfo& info = store.info();
    return {store.read(0, info.tokens), store.document_starts(0, info.tokens), info.vocabulary, info.end_of_document,
            info.source_bytes};
  }
};

void expect_found_or_harmless(const ScratchFolder& folder, const std::string& broken, const Contents& expected) {
  const std::string path = folder.write("broken.h5", broken);
  try {
    EXPECT_TRUE(Contents::of(path) == expected);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path));
  }
}

TEST(TokenStoreDamage, AThousandFlippedBitsAreFoundOrHarmless) {
  const ScratchFolder folder;
  const Contents expected = Contents::of(write_small(folder));
  const std::string whole = folder.read("small.h5");
  std::mt19937_64 random(4);
  for (int i = 0; i < 1000; ++i) {
    std::string broken = whole;
    const std::size_t at = random() % whole.size(), bit = random() % 8;
    SCOPED_TRACE(::testing::Message() << "byte " << at << ", bit " << bit);
    broken[at] = static_cast<char>(broken[at] ^ (1 << bit));
    expect_found_or_harmless(folder, broken, expected);
  }
  testing::Mutations mutations(5);
  for (int i = testing::mutation_count(300); i > 0; --i)
    expect_found_or_harmless(folder, mutations.of(whole), expected);
}

TEST(TokenStoreDamage, TwoHundredLengthsAreTooShort) {
  const ScratchFolder folder;
  write_small(folder);
  const std::string whole = folder.read("small.h5");
  std::mt19937_64 random(6);
  for (int i = 0; i < 200; ++i) {
    const std::string path = folder.write("cut.h5", whole.substr(0, 8 + random() % (whole.size() - 8)));
    EXPECT_THAT(open_complaint(path), HasSubstr("is no whole token store"));
  }
}

// Stores that another program wrote: every entry may be wrong.
struct Forged {
  std::vector<std::uint32_t> tokens = {1, 2, 256, 3, 256};
  std::vector<std::int64_t> documents = {0, 3, 5};
  std::int64_t version = 2;
  bool with_documents = true, with_vocabulary = true, with_footer = true;

  std::string write(const ScratchFolder& folder) const {
    const std::string path = folder.path("forged.h5");
    Handle file = hdf5::create_file(path);
    const auto add = [&](const char* name, hid_t type, std::size_t size, const void* data) {
      const hsize_t dims = size;
      const Handle space(H5Screate_simple(1, &dims, nullptr), H5Sclose);
      const Handle set(H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
      H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    };
    add("tokens", H5T_NATIVE_UINT32, tokens.size(), tokens.data());
    if (with_documents) add("documents", H5T_NATIVE_INT64, documents.size(), documents.data());
    hdf5::write_integer(file, "format_version", version, path);
    hdf5::write_text(file, "tokenizer", "byte", path);
    hdf5::write_text(file, "source", "", path);
    hdf5::write_text(file, "checksum", "", path);
    if (with_vocabulary) hdf5::write_integer(file, "vocabulary", 257, path);
    hdf5::write_integer(file, "end_of_document", 256, path);
    hdf5::write_integer(file, "source_bytes", 3, path);
    file.close(path);
    if (with_footer) append_footer(path, {});
    return path;
  }
};

TEST(TokenStoreDamage, ForgedStoreIsReadWhereItIsRight) {
  const ScratchFolder folder;
  EXPECT_THAT(TokenStore(Forged().write(folder)).read(0, 5), ElementsAre(1, 2, 256, 3, 256));
}

TEST(TokenStoreDamage, TokensOutsideTheVocabularyAreNamedWithTheirPosition) {
  const ScratchFolder folder;
  for (const std::uint32_t wrong : {257u, 0x80000000u, 0xffffffffu}) {
    Forged forged;
    forged.tokens[3] = wrong;
    const TokenStore store(forged.write(folder));
    EXPECT_THAT(store.read(0, 3), ElementsAre(1, 2, 256));
    EXPECT_THAT(sentence_of([&] { store.read(1, 4); }), HasSubstr("at position 3, but its vocabulary has 257 tokens"));
  }
}

TEST(TokenStoreDamage, InconsistentDocumentsAreNoticed) {
  const ScratchFolder folder;
  using Starts = std::vector<std::int64_t>;
  for (const auto& documents : {Starts{}, Starts{0}, Starts{0, 3}, Starts{1, 5}, Starts{0, 3, 3, 5}, Starts{0, 4, 3, 5},
                                Starts{0, 3, 6}, Starts{-1, 5}}) {
    Forged forged;
    forged.documents = documents;
    EXPECT_THAT(open_complaint(forged.write(folder)), HasSubstr("/documents does not cut"));
  }
}

TEST(TokenStoreDamage, MissingPartsAndOtherVersionsAreNamed) {
  const ScratchFolder folder;
  EXPECT_THAT(open_complaint(Forged{.with_documents = false}.write(folder)), HasSubstr("without /documents"));
  EXPECT_THAT(open_complaint(Forged{.version = 1}.write(folder)), HasSubstr("has format version 1"));
  EXPECT_THAT(open_complaint(Forged{.with_footer = false}.write(folder)), HasSubstr("does not end with a footer"));
  EXPECT_THAT(open_complaint(Forged{.with_vocabulary = false}.write(folder)), HasSubstr("no attribute 'vocabulary'"));
}

}  // namespace
}  // namespace longspan
