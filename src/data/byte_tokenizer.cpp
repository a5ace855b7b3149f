#include "base/error.hpp"
#include "data/tokenizer.hpp"

namespace longspan {
namespace {

constexpr std::int32_t kEndOfDocument = 256;

class ByteTokenizer final : public Tokenizer {
 public:
  std::string name() const override { return "byte"; }
  std::int64_t vocabulary() const override { return kEndOfDocument + 1; }
  std::int32_t end_of_document() const override { return kEndOfDocument; }

  std::vector<std::int32_t> encode(const std::string& text) const override {
    std::vector<std::int32_t> tokens;
    tokens.reserve(text.size());
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }

  std::string decode(const std::vector<std::int32_t>& tokens) const override {
    std::string text;
    for (const std::int32_t token : tokens) {
      LONGSPAN_CHECK(token >= 0 && token <= kEndOfDocument, "[byte tokenizer] token {}", token);
      if (token != kEndOfDocument) text.push_back(static_cast<char>(token));
    }
    return text;
  }

  std::string model() const override { return ""; }
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_tokenizer() { return std::make_unique<ByteTokenizer>(); }

std::unique_ptr<Tokenizer> make_tokenizer(const std::string& name, const std::string& model) {
  if (name == "byte") return make_byte_tokenizer();
  if (name == "sentencepiece") return make_sentencepiece_tokenizer(model);
  if (name == "none") {
    throw UserError("the model was trained on a task and knows no text; use longspan-eval to see how well it does");
  }
  throw UserError("unknown tokenizer '{}'; this program knows byte and sentencepiece", name);
}

}  // namespace longspan
