#include "data/masked_tokens.hpp"

#include "base/hash.hpp"
#include "tensor/random.hpp"

namespace longspan {
namespace {

constexpr double kMasked = 0.8, kReplaced = 0.1;
constexpr std::int32_t kNothing = -1;

// Uniform in [0, 1).
double uniform(std::uint32_t word) { return word * (1.0 / 4294967296.0); }

}  // namespace

MaskedToken mask_token(const MaskingRule& rule, std::int32_t original, std::int64_t sequence, std::int64_t position) {
  const Philox4 random = philox(rule.key, static_cast<std::uint64_t>(position), static_cast<std::uint64_t>(sequence));
  if (uniform(random.v[0]) >= rule.fraction) return {original, kNothing};
  const double kind = uniform(random.v[1]);
  if (kind < kMasked) return {static_cast<std::int32_t>(rule.vocabulary), original};
  if (kind >= kMasked + kReplaced) return {original, original};
  const auto any = static_cast<std::uint64_t>(random.v[2]) * static_cast<std::uint64_t>(rule.vocabulary) >> 32;
  return {static_cast<std::int32_t>(any), original};
}

MaskedTokens::MaskedTokens(std::shared_ptr<const SequenceSource> whole, double fraction, std::uint64_t seed)
    : whole_(std::move(whole)),
      fraction_(fraction),
      training_key_(hash_name("training masks", seed)),
      validation_key_(hash_name("validation masks")) {}

Sequence MaskedTokens::training(std::int64_t i) const { return masked(whole_->training(i), i, training_key_); }
Sequence MaskedTokens::validation(std::int64_t i) const { return masked(whole_->validation(i), i, validation_key_); }

Sequence MaskedTokens::masked(Sequence sequence, std::int64_t number, std::uint64_t key) const {
  const MaskingRule rule{fraction_, whole_->vocabulary(), key};
  for (std::size_t p = 0; p < sequence.tokens.size(); ++p) {
    const MaskedToken entry = mask_token(rule, sequence.tokens[p], number, static_cast<std::int64_t>(p));
    sequence.tokens[p] = entry.token;
    sequence.targets[p] = entry.target;
  }
  return sequence;
}

}  // namespace longspan
