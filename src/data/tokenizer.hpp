// Text to tokens and back. `byte`: 256 bytes and an end-of-document token (256). `sentencepiece`: a subword model,
// trained on the corpus or loaded (Kudo and Richardson 2018).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace longspan {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::string name() const = 0;
  virtual std::int64_t vocabulary() const = 0;
  virtual std::int32_t end_of_document() const = 0;
  virtual std::vector<std::int32_t> encode(const std::string& text) const = 0;
  virtual std::string decode(const std::vector<std::int32_t>& tokens) const = 0;
  virtual std::string model() const = 0;  // serialised, what make_tokenizer takes; empty for byte
};

std::unique_ptr<Tokenizer> make_byte_tokenizer();
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(const std::string& serialised_model);
// From a token store's or a checkpoint's attributes.
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& name, const std::string& model);

}  // namespace longspan
