#include "data/tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/sentencepiece_training.hpp"
#include "data/utf8.hpp"
#include "support/expect_error.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::sentence_of;

// A language of few words with indentation, long enough for a vocabulary of some hundred pieces.
const std::string& trained_model() {
  static const std::string model = [] {
    const std::vector<std::string> words = {"the",       "sequence", "of",      "tokens",
                                            "attention", "reads\t",  "(again)", "caf\xc3\xa9"};
    int line = 0;
    return train_sentencepiece(
        [&](std::string& text) {
          if (line == 3000) return false;
          text = std::string(static_cast<std::size_t>(2 * (line % 4)), ' ');
          for (int i = 0; i < 8; ++i)
            text += words[static_cast<std::size_t>((line * 7 + i * i * 3) % 8)] + (i == 7 ? "\n" : " ");
          ++line;
          return true;
        },
        400);
  }();
  return model;
}

std::vector<std::string> difficult_texts() {
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes.push_back(static_cast<char>(i));
  return {"",
          " ",
          "the sequence of tokens\n",
          "  leading, trailing and   inner spaces  ",
          "\t\tif (x) {\r\n\t  y();\n}\n\n\n",
          "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
          "\xe2\x96\x81 the sign that stands for a space\xe2\x96\x81\xe2\x96\x81",
          "\xe2\x96\x85 <unk> <s> </s> <0x41> \x01\x7f",
          "\xef\xac\x81 \xc2\xa0 \xe2\x84\xab e\xcc\x81 \xef\xbb\xbf",
          "\xff\xfe broken \xc3( \xe2\x96 \xed\xa0\x80 \xc0\xaf end\xf0\x9f",
          all_bytes};
}

TEST(ByteTokenizer, GivesTheBytes) {
  const auto tokenizer = make_byte_tokenizer();
  EXPECT_EQ(tokenizer->vocabulary(), 257);
  EXPECT_EQ(tokenizer->end_of_document(), 256);
  EXPECT_THAT(tokenizer->encode("a\n\xff"), ElementsAre(97, 10, 255));
  EXPECT_EQ(tokenizer->decode({97, 256, 98}), "ab");
  for (const auto& text : difficult_texts()) EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(SentencePieceTokenizer, LosesNothing) {
  const auto tokenizer = make_sentencepiece_tokenizer(trained_model());
  for (const auto& text : difficult_texts()) EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(SentencePieceTokenizer, LearnsTheWordsOfItsText) {
  const auto tokenizer = make_sentencepiece_tokenizer(trained_model());
  EXPECT_LE(tokenizer->vocabulary(), 400);
  EXPECT_GE(tokenizer->vocabulary(), 300);
  EXPECT_EQ(tokenizer->encode("attention").size(), 1u);
  EXPECT_LE(tokenizer->encode("the sequence of tokens").size(), 5u);
  EXPECT_EQ(tokenizer->encode("\t").size(), 1u);
}

TEST(SentencePieceTokenizer, EndOfDocumentIsNoText) {
  const auto tokenizer = make_sentencepiece_tokenizer(trained_model());
  EXPECT_EQ(tokenizer->decode({tokenizer->end_of_document()}), "");
  for (const auto& text : difficult_texts()) {
    EXPECT_THAT(tokenizer->encode(text), ::testing::Not(::testing::Contains(tokenizer->end_of_document())));
  }
}

TEST(SentencePieceTokenizer, ModelComesBackFromItsBytes) {
  const auto a = make_sentencepiece_tokenizer(trained_model());
  const auto b = make_tokenizer("sentencepiece", a->model());
  EXPECT_EQ(b->vocabulary(), a->vocabulary());
  EXPECT_EQ(b->encode("the tokens\n  of attention"), a->encode("the tokens\n  of attention"));
}

TEST(TokenizerErrors, NameWhatIsWrong) {
  EXPECT_THAT(sentence_of([] { make_sentencepiece_tokenizer("no model"); }), HasSubstr("is no sentencepiece model"));
  EXPECT_THAT(sentence_of([] { make_sentencepiece_tokenizer(""); }), HasSubstr("is no sentencepiece model"));
  EXPECT_THAT(sentence_of([] { make_tokenizer("words", ""); }), HasSubstr("unknown tokenizer 'words'"));
  EXPECT_THAT(sentence_of([] { train_sentencepiece([](std::string&) { return false; }, 1000); }),
              HasSubstr("there is no text"));
  EXPECT_THAT(sentence_of([] { train_sentencepiece([](std::string&) { return false; }, 256); }),
              HasSubstr("too small"));
}

TEST(Utf8, LengthAcceptsOnlyWellFormedCharacters) {
  const auto length = [](std::string_view text) { return utf8_length(text); };
  EXPECT_EQ(length(""), 0u);
  EXPECT_EQ(length("a"), 1u);
  EXPECT_EQ(length("\xc3\xa9x"), 2u);
  EXPECT_EQ(length("\xe2\x96\x81"), 3u);
  EXPECT_EQ(length("\xf0\x9f\x98\x80"), 4u);
  EXPECT_EQ(length("\xf4\x8f\xbf\xbf"), 4u);
  for (const char* wrong : {"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\x80", "\xed\xa0\x80", "\xe2\x96",
                            "\xf0\x8f\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98", "\xff"}) {
    EXPECT_EQ(length(wrong), 0u);
  }
}

TEST(Utf8, CutKeepsCharactersWhole) {
  const std::string text = "a\xc3\xa9\xf0\x9f\x98\x80z";  // 1, 2, 4 and 1 bytes
  const std::vector<std::size_t> expected = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
  for (std::size_t limit = 1; limit < expected.size(); ++limit)
    EXPECT_EQ(utf8_cut(text, limit), expected[limit]) << limit;
  EXPECT_EQ(utf8_cut(std::string(10, '\x80'), 6), 6u);
}

}  // namespace
}  // namespace longspan
