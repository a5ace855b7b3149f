// The masked-token objective (Devlin et al. 2019): a part of the positions, 15 % by default, is to be predicted. What
// the model reads there is in 80 % the mask token, in 10 % any token of the vocabulary, in 10 % the token itself, so
// that it cannot know which tokens are right. Choices are counter-based: they depend on the key, the number of the
// sequence and the position alone, so that every mesh and every microbatching sees the same.
#pragma once

#include <cstdint>

namespace longspan {

struct MaskingRule {
  double fraction = 0.15;       // of the positions
  std::int64_t vocabulary = 0;  // of the corpus; the token of this number, which no corpus has, is the mask
  std::uint64_t key = 0;
};

struct MaskedToken {
  std::int32_t token;   // that the model reads
  std::int32_t target;  // the original token; -1 where nothing is asked
};

MaskedToken mask_token(const MaskingRule& rule, std::int32_t original, std::int64_t sequence, std::int64_t position);

}  // namespace longspan
