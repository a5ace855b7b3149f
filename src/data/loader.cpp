#include "data/loader.hpp"

#include <algorithm>
#include <cmath>
#include <format>

#include "base/error.hpp"
#include "base/hash.hpp"

namespace longspan {
namespace {

// Window w holds tokens [w T, w T + T], so that each of its T positions has a target.
std::int64_t count_windows(std::int64_t tokens, std::int64_t length) { return tokens > 0 ? (tokens - 1) / length : 0; }

std::int64_t count_validation(std::int64_t windows, double fraction) {
  if (fraction == 0) return 0;
  return std::max<std::int64_t>(1, std::llround(fraction * static_cast<double>(windows)));
}

}  // namespace

Loader::Loader(std::shared_ptr<const TokenStore> store, const LoaderSettings& settings, const SequenceShard& shard)
    : store_(std::move(store)), settings_(settings), shard_(shard) {
  const std::int64_t length = settings_.sequence_length, parts = settings_.data_ranks * settings_.microbatches;
  LONGSPAN_CHECK(length >= 1 && shard_.global_length() == length, "[loader] sequences of {} tokens, a shard of {}",
                 length, shard_.global_length());
  LONGSPAN_CHECK(settings_.batch >= 1 && settings_.batch % parts == 0, "[loader] batch {} in {} parts", settings_.batch,
                 parts);
  const std::int64_t tokens = store_->info().tokens, windows = count_windows(tokens, length);
  validation_windows_ = count_validation(windows, settings_.validation_fraction);
  training_windows_ = windows - validation_windows_;
  if (training_windows_ < 1) {
    const bool validates = settings_.validation_fraction > 0;
    throw UserError(
        "{} holds {} tokens, but data.sequence_length = {} needs at least {}{}; use shorter sequences or a larger "
        "corpus",
        store_->path(), tokens, length, (validates ? 2 : 1) * length + 1,
        validates ? " for one training and one validation sequence" : "");
  }
}

std::int64_t Loader::training_windows() const { return training_windows_; }
std::int64_t Loader::validation_windows() const { return validation_windows_; }

Microbatch Loader::training(std::int64_t step, std::int64_t microbatch) const {
  LONGSPAN_CHECK(step >= 0 && microbatch >= 0 && microbatch < settings_.microbatches, "[loader] step {}, microbatch {}",
                 step, microbatch);
  const std::int64_t per_rank = settings_.batch / settings_.data_ranks, size = per_rank / settings_.microbatches;
  const std::int64_t first = settings_.data_rank * per_rank + microbatch * size;
  std::vector<std::int64_t> windows;
  for (std::int64_t b = first; b < first + size; ++b) {
    const std::int64_t i = step * settings_.batch + b, epoch = i / training_windows_;
    const std::uint64_t key = hash_name(std::format("epoch {}", epoch), settings_.seed);
    windows.push_back(permuted(i % training_windows_, training_windows_, key));
  }
  Microbatch result =
      window_batch(windows, step * settings_.batch + first, hash_name("training masks", settings_.seed));
  result.first_sequence = first;
  return result;
}

Microbatch Loader::validation(std::int64_t first, std::int64_t count) const {
  LONGSPAN_CHECK(first >= 0 && count >= 0 && first + count <= validation_windows_,
                 "[loader] validation sequences {} to {} of {}", first, first + count, validation_windows_);
  std::vector<std::int64_t> windows;
  for (std::int64_t i = first; i < first + count; ++i) windows.push_back(training_windows_ + i);
  Microbatch result = window_batch(windows, first, hash_name("validation masks"));
  result.first_sequence = first;
  return result;
}

Microbatch Loader::window_batch(const std::vector<std::int64_t>& windows, std::int64_t first_number,
                                std::uint64_t mask_key) const {
  const std::int64_t length = settings_.sequence_length;
  const std::vector<std::int64_t> positions = shard_.positions();
  const bool masked = settings_.objective.kind == "masked_token";
  const MaskingRule rule{settings_.objective.masked_fraction, store_->info().vocabulary, mask_key};
  Microbatch result;
  std::vector<std::int32_t> tokens, targets;
  std::int64_t number = first_number;
  for (const std::int64_t window : windows) {
    const std::vector<std::int32_t> all = store_->read(window * length, length + 1);
    for (const std::int64_t position : positions) {
      const std::int32_t here = all[static_cast<std::size_t>(position)],
                         next = all[static_cast<std::size_t>(position) + 1];
      const MaskedToken entry = masked ? mask_token(rule, here, number, position) : MaskedToken{here, next};
      tokens.push_back(entry.token);
      targets.push_back(entry.target);
    }
    ++number;
    std::vector<std::int64_t> starts = store_->document_starts(window * length, length);
    if (starts.empty() || starts.front() != 0) starts.insert(starts.begin(), 0);
    result.document_starts.push_back(std::move(starts));
  }
  const Shape shape{static_cast<std::int64_t>(windows.size()), shard_.local_length()};
  result.tokens = Tensor::from_host(tokens, shape);
  result.targets = Tensor::from_host(targets, shape);
  result.valid_targets = std::ranges::count_if(targets, [](std::int32_t target) { return target >= 0; });
  return result;
}

}  // namespace longspan
