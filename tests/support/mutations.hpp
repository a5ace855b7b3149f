// Damaged variants of a text or file, reproducible: what a reader of files must survive. LONGSPAN_MUTATIONS=100000
// tries more of them than a test run does.
#pragma once

#include <cstdlib>
#include <random>
#include <string>

namespace longspan::testing {

inline int mutation_count(int usual) {
  const char* given = std::getenv("LONGSPAN_MUTATIONS");
  return given != nullptr ? std::atoi(given) : usual;
}

class Mutations {
 public:
  explicit Mutations(std::uint64_t seed) : random_(seed) {}

  // One to four changes: flipped bits, other bytes, pieces that are cut out, doubled, moved or overwritten by others.
  std::string of(std::string text) {
    for (std::size_t changes = 1 + below(4); changes > 0 && !text.empty(); --changes) change(text);
    return text;
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  void change(std::string& text) {
    static const std::string kTelling("\0\1\x7f\x80\xff\"[]{}=-,:.09eE\n #", 23);
    const std::size_t at = below(text.size()), length = 1 + below(std::min<std::size_t>(64, text.size() - at));
    const std::string piece = text.substr(at, length);
    switch (below(6)) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        text[at] = kTelling[below(kTelling.size())];
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.insert(below(text.size()), piece);
        break;
      case 4:
        text.replace(below(text.size()), length, piece);
        break;
      default:
        text.insert(at, std::string(1 + below(8), kTelling[below(kTelling.size())]));
    }
  }

  std::mt19937_64 random_;
};

}  // namespace longspan::testing
