#include "data/sentencepiece_training.hpp"

#include <sentencepiece_trainer.h>

#include <unordered_map>

#include "base/error.hpp"
#include "data/utf8.hpp"

namespace longspan {
namespace {

// 256 bytes, the unknown piece and the end of a document, and something to learn.
constexpr std::int64_t kSmallestVocabulary = 300;

class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const std::function<bool(std::string&)>& next) : next_(next) { Next(); }

  bool done() const override { return done_; }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }
  void Next() override {
    done_ = !next_(line_);
    line_.resize(utf8_cut(line_, kSentenceBytes));
  }

 private:
  const std::function<bool(std::string&)>& next_;
  std::string line_;
  bool done_ = false;
};

}  // namespace

std::string train_sentencepiece(const std::function<bool(std::string& line)>& next_line, std::int64_t vocabulary) {
  if (vocabulary < kSmallestVocabulary) {
    throw UserError("a sentencepiece vocabulary of {} is too small; use {} or more", vocabulary, kSmallestVocabulary);
  }
  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(vocabulary)},
      {"hard_vocab_limit", "false"},
      {"byte_fallback", "true"},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"add_dummy_prefix", "false"},
      {"allow_whitespace_only_pieces", "true"},
      {"max_sentence_length", std::to_string(kSentenceBytes)},
      {"unk_id", "0"},
      {"eos_id", "1"},
      {"bos_id", "-1"},
      {"pad_id", "-1"},
      {"minloglevel", "3"},
  };
  Lines lines(next_line);
  if (lines.done()) throw UserError("there is no text to train a tokenizer on");
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &lines, &model);
  if (!status.ok()) throw UserError("the sentencepiece model cannot be trained: {}", status.ToString());
  return model;
}

}  // namespace longspan
