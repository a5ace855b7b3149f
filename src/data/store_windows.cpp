#include "data/store_windows.hpp"

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

StoreWindows::StoreWindows(std::shared_ptr<const TokenStore> store, const WindowSettings& settings)
    : store_(std::move(store)), settings_(settings) {
  const std::int64_t length = settings_.length, tokens = store_->info().tokens;
  LONGSPAN_CHECK(length >= 1, "[store_windows] sequences of {} tokens", length);
  const std::int64_t windows = count_windows(tokens, length);
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

Sequence StoreWindows::training(std::int64_t i) const {
  const std::uint64_t key = hash_name(std::format("epoch {}", i / training_windows_), settings_.seed);
  return window(permuted(i % training_windows_, training_windows_, key));
}

Sequence StoreWindows::validation(std::int64_t i) const {
  LONGSPAN_CHECK(i >= 0 && i < validation_windows_, "[store_windows] validation window {} of {}", i,
                 validation_windows_);
  return window(training_windows_ + i);
}

Sequence StoreWindows::window(std::int64_t number) const {
  const std::int64_t length = settings_.length, first = number * length;
  const std::vector<std::int32_t> all = store_->read(first, length + 1);
  std::vector<std::int64_t> starts = store_->document_starts(first, length);
  if (starts.empty() || starts.front() != 0) starts.insert(starts.begin(), 0);
  return {.tokens = {all.begin(), all.end() - 1},
          .targets = {all.begin() + 1, all.end()},
          .document_starts = std::move(starts)};
}

}  // namespace longspan
