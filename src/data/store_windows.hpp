// A corpus of packed documents as sequences. It is cut into windows of T + 1 tokens (each shares one token with the
// next), whose targets are the next tokens. The last windows are for validation. In each epoch the others come in an
// order that is a permutation computed from (seed, epoch), without a table.
#pragma once

#include <memory>

#include "data/sequence_source.hpp"
#include "data/token_store.hpp"

namespace longspan {

struct WindowSettings {
  std::int64_t length = 0;  // T
  std::uint64_t seed = 1;
  double validation_fraction = 0;  // of the windows, the last ones; above 0: at least one window
};

class StoreWindows : public SequenceSource {
 public:
  // UserError where the corpus is too small for one window of each part.
  StoreWindows(std::shared_ptr<const TokenStore> store, const WindowSettings& settings);

  std::int64_t vocabulary() const override { return store_->info().vocabulary; }
  std::int64_t length() const override { return settings_.length; }
  Sequence training(std::int64_t i) const override;
  Sequence validation(std::int64_t i) const override;
  std::int64_t validation_count() const override { return validation_windows_; }
  std::int64_t training_windows() const { return training_windows_; }

 private:
  Sequence window(std::int64_t number) const;

  std::shared_ptr<const TokenStore> store_;
  WindowSettings settings_;
  std::int64_t training_windows_ = 0, validation_windows_ = 0;
};

// The i-th element of a pseudo-random permutation of [0, n): a Feistel network with cycle walking.
std::int64_t permuted(std::int64_t i, std::int64_t n, std::uint64_t key);

}  // namespace longspan
