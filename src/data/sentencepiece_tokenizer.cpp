#include <sentencepiece_processor.h>

#include <array>
#include <format>

#include "base/error.hpp"
#include "data/tokenizer.hpp"
#include "data/utf8.hpp"

namespace longspan {
namespace {

// sentencepiece writes a space as U+2581 inside pieces. The same character in a text, and bytes that are no UTF-8,
// would be lost; they are encoded as byte pieces instead, so that decode(encode(text)) == text for all text.
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(const std::string& model) {
    if (!processor_.LoadFromSerializedProto(model).ok()) {
      throw UserError("the tokenizer model ({} bytes) is no sentencepiece model", model.size());
    }
    if (processor_.eos_id() < 0) {
      throw UserError("the sentencepiece model has no end-of-sentence piece, which marks the end of a document");
    }
    for (int byte = 0; byte < 256; ++byte) {
      bytes_[byte] = processor_.PieceToId(std::format("<0x{:02X}>", byte));
      has_bytes_ = has_bytes_ && processor_.IsByte(bytes_[byte]);
    }
  }

  std::string name() const override { return "sentencepiece"; }
  std::int64_t vocabulary() const override { return processor_.GetPieceSize(); }
  std::int32_t end_of_document() const override { return processor_.eos_id(); }
  std::string model() const override { return processor_.serialized_model_proto(); }

  std::vector<std::int32_t> encode(const std::string& text) const override {
    std::vector<std::int32_t> tokens;
    const std::string_view all = text;
    std::size_t begin = 0;  // of the stretch that pieces can hold
    const auto encode_stretch = [&](std::size_t end) {
      if (end > begin) {
        const std::vector<int> ids = processor_.EncodeAsIds({all.data() + begin, end - begin});
        tokens.insert(tokens.end(), ids.begin(), ids.end());
      }
    };
    for (std::size_t i = 0; has_bytes_ && i < all.size();) {
      const std::size_t length = utf8_length(all.substr(i));
      const bool is_mark = all.substr(i, kSpaceMark.size()) == kSpaceMark;
      if (length > 0 && !is_mark) {
        i += length;
        continue;
      }
      encode_stretch(i);
      for (const std::size_t end = i + std::max<std::size_t>(length, 1); i < end; ++i) {
        tokens.push_back(bytes_[static_cast<unsigned char>(all[i])]);
      }
      begin = i;
    }
    encode_stretch(all.size());
    return tokens;
  }

  std::string decode(const std::vector<std::int32_t>& tokens) const override {
    std::string text;
    for (const std::int32_t token : tokens) {
      LONGSPAN_CHECK(token >= 0 && token < vocabulary(), "[sentencepiece] token {} of {}", token, vocabulary());
      if (processor_.IsControl(token)) continue;
      const std::string& piece = processor_.IdToPiece(token);
      if (processor_.IsByte(token)) {  // <0x41>
        text.push_back(static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)));
      } else {
        append_spaced(text, piece);
      }
    }
    return text;
  }

 private:
  static void append_spaced(std::string& text, std::string_view piece) {
    for (auto mark = piece.find(kSpaceMark); mark != piece.npos; mark = piece.find(kSpaceMark)) {
      text.append(piece.substr(0, mark)).push_back(' ');
      piece.remove_prefix(mark + kSpaceMark.size());
    }
    text.append(piece);
  }

  sentencepiece::SentencePieceProcessor processor_;
  std::array<std::int32_t, 256> bytes_{};
  bool has_bytes_ = true;
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(const std::string& serialised_model) {
  return std::make_unique<SentencePieceTokenizer>(serialised_model);
}

}  // namespace longspan
