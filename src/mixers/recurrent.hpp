// What token mixers with a recurrent state have in common: the sequence axis, documents and generation. A mixer writes
// one function from its normed input to its output, in terms of a RecurrentRun; the run knows whether it is a forward
// pass (over the sequence axis) or an extension of a cache.
#pragma once

#include <vector>

#include "autograd/functions/recurrence.hpp"
#include "mixers/mixer.hpp"
#include "nn/short_convolution.hpp"

namespace longspan {

// All that is remembered of the tokens so far, whatever their number.
struct RecurrentCache : MixerCache {
  Tensor state;               // [B H, K, V], accumulation dtype
  std::vector<Tensor> edges;  // of the short convolutions, [B, E, C], E < their width
};

class RecurrentRun {
 public:
  // Forward where `cache` is null.
  RecurrentRun(const Context& context, RecurrentCache* cache);

  const Context& context() const { return context_; }
  Tape& tape() const { return context_.tape; }
  const Tensor& documents() const { return documents_; }
  // The cache's state where there is one, else undefined.
  Tensor carried() const { return cache_ ? cache_->state : Tensor(); }
  // Call each convolution once, in the same order in every run.
  Variable convolve(const ShortConvolution& convolution, const Variable& x);
  Variable recur(const ops::RecurrenceSettings& settings, const RecurrenceVariables& in) const;

 private:
  const Context& context_;
  RecurrentCache* cache_;
  Tensor documents_;
  std::size_t convolutions_ = 0;
};

// Widths of the heads of one rank.
struct RecurrentSizes {
  std::int64_t heads = 0, key = 0, value = 0;   // H of this rank, K, V
  std::vector<std::int64_t> convolutions = {};  // channels of each short convolution, of this rank
};

// Log decays [B, T, H] of one constant a head, for rows like x [B, T, ..]; of 0 where nothing decays.
Variable constant_decay(const Tensor& x, const std::vector<double>& log_decay);
Variable no_decay(const Tensor& x, std::int64_t heads);

class RecurrentMixer : public Mixer {
 public:
  Variable forward(const Context& context, const Variable& x) const override;
  std::unique_ptr<MixerCache> make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const override;
  Variable extend(const Context& context, const Variable& x, MixerCache& cache) const override;

 protected:
  // x has entered the tensor region; the result has left it.
  virtual Variable mix(RecurrentRun& run, const Variable& x) const = 0;
  virtual RecurrentSizes sizes() const = 0;
};

// Multiply-adds a token and head of the chunkwise recurrence, times two: states 4 K V, scores C (K + V); by the delta
// rule 2 K V and about C (K + V) + C^2 / 3 more.
double recurrence_flops(std::int64_t key, std::int64_t value, std::int64_t chunk, bool delta);

}  // namespace longspan
