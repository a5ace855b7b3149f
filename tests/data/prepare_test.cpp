#include "data/prepare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "data/tokenizer.hpp"
#include "data/unigram.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ScratchFolder;
using testing::sentence_of;

PrepareReport run(const PrepareConfig& config) {
  check(config);
  return prepare(config, find_files(config.input, config.extensions), [](const std::string&) {});
}

PrepareConfig config_of(const std::string& input, const std::string& output) {
  PrepareConfig config;
  config.input = input;
  config.output = output;
  config.threads = 2;
  return config;
}

// The documents of a store as texts.
std::vector<std::string> texts_of(const std::string& path) {
  const TokenStore store(path);
  const auto tokenizer = make_tokenizer(store.info().tokenizer, store.info().tokenizer_model);
  std::vector<std::int64_t> starts = store.document_starts(0, store.info().tokens);
  starts.push_back(store.info().tokens);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    const auto tokens = store.read(starts[i], starts[i + 1] - starts[i]);
    EXPECT_EQ(tokens.back(), store.info().end_of_document);
    texts.push_back(tokenizer->decode(tokens));
  }
  return texts;
}

// Larger than several blocks, with long and short lines, tabs and characters of several bytes.
std::string long_text(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += std::format("{}line {} \xc3\xa9\xf0\x9f\x98\x80 {}", std::string(static_cast<std::size_t>(i % 5), '\t'), i,
                        i * i % 1013);
    if (i % 7 != 0) text += '\n';
  }
  return text;
}

std::vector<std::string> names_of(const ScratchFolder& folder, const std::vector<CorpusFile>& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.path.substr(folder.path().size()));
  return names;
}

TEST(FindFiles, TakesFilesFoldersAndPatternsSortedAndOnce) {
  const ScratchFolder folder;
  for (const char* name :
       {"b.txt", "a.txt", "sub/c.rst", "sub/deep/d.txt", "sub/e.bin", ".hidden/f.txt", "sub/.g.txt"}) {
    folder.write(name, "x");
  }
  const auto find = [&](const std::string& input, const std::string& extensions = "") {
    return names_of(folder, find_files(input, extensions));
  };
  EXPECT_THAT(find(folder.path()), ElementsAre("a.txt", "b.txt", "sub/c.rst", "sub/deep/d.txt", "sub/e.bin"));
  EXPECT_THAT(find(folder.path(), ".txt, .rst"), ElementsAre("a.txt", "b.txt", "sub/c.rst", "sub/deep/d.txt"));
  EXPECT_THAT(find(folder.path("sub/e.bin") + "," + folder.path("*.txt")), ElementsAre("a.txt", "b.txt", "sub/e.bin"));
  EXPECT_THAT(find(folder.path("a.txt") + ", " + folder.path("?.txt")), ElementsAre("a.txt", "b.txt"));
  EXPECT_THAT(find(folder.path("s*"), ".rst"), ElementsAre("sub/c.rst"));
}

TEST(FindFiles, NamesWhatMatchesNothing) {
  const ScratchFolder folder;
  folder.write("a.txt", "x");
  const auto complaint = [](const std::string& input, const std::string& extensions) {
    return sentence_of([&] { find_files(input, extensions); });
  };
  EXPECT_THAT(complaint(folder.path("*.rst"), ""), HasSubstr("no file matches '" + folder.path("*.rst") + "';"));
  EXPECT_THAT(complaint(folder.path("a.txt") + "," + folder.path("none"), ""),
              HasSubstr("no file matches '" + folder.path("none")));
  EXPECT_THAT(complaint(folder.path(), ".rst"), HasSubstr("with the extensions .rst"));
  EXPECT_THAT(complaint(folder.path(), "txt"), HasSubstr("'txt' does not begin with a dot"));
}

TEST(CorpusReader, BlocksJoinToTheTextAndEndWithLines) {
  const ScratchFolder folder;
  const std::string with_lines = long_text(300'000), no_line(200'000, 'x');
  const auto files =
      find_files(folder.write("a", with_lines) + "," + folder.write("b", "") + "," + folder.write("c", no_line), "");
  CorpusReader reader(files);
  std::vector<std::string> documents(1);
  for (Block block; reader.next(block);) {
    EXPECT_LE(block.text.size(), 2u * CorpusReader::kBlockBytes);
    const bool has_lines = documents.size() == 1;
    EXPECT_TRUE(block.ends_document || !has_lines || block.text.ends_with('\n'));
    documents.back() += block.text;
    if (block.ends_document) documents.emplace_back();
  }
  EXPECT_THAT(documents, ElementsAre(with_lines, "", no_line, ""));
  EXPECT_EQ(reader.bytes_read(), static_cast<std::int64_t>(with_lines.size() + no_line.size()));
}

TEST(CorpusReader, ShareReadsTheBeginningOfEachFile) {
  const ScratchFolder folder;
  const auto files =
      find_files(folder.write("a", std::string(1000, 'a')) + "," + folder.write("b", std::string(10, 'b')), "");
  CorpusReader reader(files, 0.25);
  std::string text;
  for (Block block; reader.next(block);) text += block.text;
  EXPECT_EQ(text, std::string(250, 'a') + std::string(3, 'b'));
}

TEST(Prepare, BytesComeBackForEachDocument) {
  const ScratchFolder folder;
  const std::string text = long_text(700'000), broken = "\xff\xfe no UTF-8";
  folder.write("in/b.txt", text);
  folder.write("in/a.txt", broken);
  folder.write("in/c.txt", "");
  folder.write("in/d.bin", std::string("PK\0\x03", 4));
  const PrepareReport report = run(config_of(folder.path("in"), folder.path("new/out.h5")));
  EXPECT_THAT(texts_of(folder.path("new/out.h5")), ElementsAre(broken, text, ""));
  const auto bytes = static_cast<std::int64_t>(text.size() + broken.size());
  EXPECT_EQ(report.info.source_bytes, bytes);
  EXPECT_EQ(report.info.tokens, bytes + 3);
  EXPECT_EQ(report.info.documents, 3);
  EXPECT_EQ(report.files_skipped, 1);
  EXPECT_EQ(report.info.source, folder.path("in"));
  const TokenStore store(folder.path("new/out.h5"));
  EXPECT_NEAR(report.entropy, unigram_entropy(store, 0, store.info().tokens), 1e-12);
  EXPECT_THAT(report.str(), HasSubstr("documents         3\n"));
}

TEST(Prepare, SentencePieceTextComesBackWhateverTheThreads) {
  const ScratchFolder folder;
  folder.write("in/a.txt", long_text(400'000));
  folder.write("in/b.txt", "\t\xe2\x96\x81 \xff short");
  PrepareConfig config = config_of(folder.path("in"), folder.path("one.h5"));
  config.tokenizer = "sentencepiece";
  config.vocabulary = 500;
  config.train_bytes = 100'000;
  config.threads = 1;
  run(config);
  EXPECT_THAT(texts_of(folder.path("one.h5")), ElementsAre(folder.read("in/a.txt"), folder.read("in/b.txt")));
  const TokenStore one(folder.path("one.h5"));
  EXPECT_EQ(one.info().vocabulary, 500);

  config.threads = 3;
  config.output = folder.path("three.h5");
  config.model = folder.write("a.model", one.info().tokenizer_model);
  EXPECT_EQ(run(config).info.checksum, one.info().checksum);

  config.model.clear();  // training again gives the same model
  EXPECT_EQ(run(config).info.checksum, one.info().checksum);
}

TEST(Prepare, WrongSettingsAreNamed) {
  const ScratchFolder folder;
  const auto text = folder.write("a.txt", "some text"), binary = folder.write("b", std::string(3, '\0'));
  const auto complaint = [&](const auto& change) {
    PrepareConfig config = config_of(text, folder.path("out.h5"));
    change(config);
    return sentence_of([&] { run(config); });
  };
  EXPECT_THAT(complaint([](auto& c) { c.input = ""; }), HasSubstr("prepare.input is empty"));
  EXPECT_THAT(complaint([](auto& c) { c.output = ""; }), HasSubstr("prepare.output is empty"));
  EXPECT_THAT(complaint([&](auto& c) { c.output = folder.path(); }), HasSubstr("is a folder"));
  EXPECT_THAT(complaint([&](auto& c) { c.output = text + "/out.h5"; }), HasSubstr("cannot be made"));
  EXPECT_THAT(complaint([&](auto& c) { c.input = binary; }), HasSubstr("no text in the 1 files"));
  EXPECT_THAT(complaint([](auto& c) { c.model = "a.model"; }), HasSubstr("needs prepare.tokenizer = sentencepiece"));
  EXPECT_THAT(complaint([&](auto& c) {
                c.tokenizer = "sentencepiece";
                c.model = folder.path("none.model");
              }),
              HasSubstr("none.model cannot be read"));
  EXPECT_THAT(complaint([&](auto& c) {
                c.tokenizer = "sentencepiece";
                c.model = text;
              }),
              HasSubstr("no sentencepiece model"));
  EXPECT_FALSE(std::filesystem::exists(folder.path("out.h5")));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2);
}

}  // namespace
}  // namespace longspan
