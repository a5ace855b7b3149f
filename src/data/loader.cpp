#include "data/loader.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace longspan {

Loader::Loader(std::shared_ptr<const SequenceSource> source, const LoaderSettings& settings, const SequenceShard& shard)
    : source_(std::move(source)), settings_(settings), shard_(shard) {
  const std::int64_t parts = settings_.data_ranks * settings_.microbatches;
  LONGSPAN_CHECK(shard_.global_length() == source_->length(), "[loader] sequences of {} tokens, a shard of {}",
                 source_->length(), shard_.global_length());
  LONGSPAN_CHECK(settings_.batch >= 1 && settings_.batch % parts == 0, "[loader] batch {} in {} parts", settings_.batch,
                 parts);
}

Microbatch Loader::training(std::int64_t step, std::int64_t microbatch) const {
  LONGSPAN_CHECK(step >= 0 && microbatch >= 0 && microbatch < settings_.microbatches, "[loader] step {}, microbatch {}",
                 step, microbatch);
  const std::int64_t per_rank = settings_.batch / settings_.data_ranks, size = per_rank / settings_.microbatches;
  const std::int64_t first = settings_.data_rank * per_rank + microbatch * size;
  std::vector<Sequence> sequences;
  for (std::int64_t b = first; b < first + size; ++b) {
    sequences.push_back(source_->training(step * settings_.batch + b));
  }
  return batch_of(sequences, first);
}

Microbatch Loader::validation(std::int64_t first, std::int64_t count) const {
  LONGSPAN_CHECK(first >= 0 && count >= 0 && first + count <= source_->validation_count(),
                 "[loader] validation sequences {} to {} of {}", first, first + count, source_->validation_count());
  std::vector<Sequence> sequences;
  for (std::int64_t i = first; i < first + count; ++i) sequences.push_back(source_->validation(i));
  return batch_of(sequences, first);
}

Microbatch Loader::batch_of(const std::vector<Sequence>& sequences, std::int64_t first) const {
  const std::vector<std::int64_t> positions = shard_.positions();
  Microbatch result;
  std::vector<std::int32_t> tokens, targets;
  for (const Sequence& sequence : sequences) {
    for (const std::int64_t position : positions) {
      tokens.push_back(sequence.tokens[static_cast<std::size_t>(position)]);
      targets.push_back(sequence.targets[static_cast<std::size_t>(position)]);
    }
    result.document_starts.push_back(sequence.document_starts);
  }
  const Shape shape{static_cast<std::int64_t>(sequences.size()), shard_.local_length()};
  result.tokens = Tensor::from_host(tokens, shape);
  result.targets = Tensor::from_host(targets, shape);
  result.valid_targets = std::ranges::count_if(targets, [](std::int32_t target) { return target >= 0; });
  result.first_sequence = first;
  return result;
}

}  // namespace longspan
