// The masked-token objective (Devlin et al. 2019): a part of the positions, 15 % by default, is to be predicted. What
// the model reads there is in 80 % the mask token, in 10 % any token of the vocabulary, in 10 % the token itself, so
// that it cannot know which tokens are right. Choices are counter-based: they depend on the key, the number of the
// sequence and the position alone, so that every mesh and every microbatching sees the same.
#pragma once

#include <cstdint>
#include <memory>

#include "data/sequence_source.hpp"

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

// The sequences of another source with some of their tokens hidden; the targets are what was hidden. Masks of training
// depend on the seed and the number of the sequence; those of validation are the same in every run.
class MaskedTokens : public SequenceSource {
 public:
  MaskedTokens(std::shared_ptr<const SequenceSource> whole, double fraction, std::uint64_t seed);

  std::int64_t vocabulary() const override { return whole_->vocabulary() + 1; }  // and the mask
  std::int64_t length() const override { return whole_->length(); }
  Sequence training(std::int64_t i) const override;
  Sequence validation(std::int64_t i) const override;
  std::int64_t validation_count() const override { return whole_->validation_count(); }

 private:
  Sequence masked(Sequence sequence, std::int64_t number, std::uint64_t key) const;

  std::shared_ptr<const SequenceSource> whole_;
  double fraction_;
  std::uint64_t training_key_, validation_key_;
};

}  // namespace longspan
