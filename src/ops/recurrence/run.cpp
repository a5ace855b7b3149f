#include "ops/recurrence/run.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "tensor/device.hpp"

namespace longspan::ops {
namespace {

// Chunks that a CPU thread computes at once: about twice its L2 cache, as far as they are few (sequence, head) pairs,
// since of each window the state at its start is kept.
constexpr std::int64_t kWindowBytes = 1 << 21, kWindowPairs = 4;

// What the forward pass over a chunk of one pair touches: q, k, v, o and decayed q and k, scores, decays, a
// state; for the delta rule its matrices (delta.hpp).
std::int64_t chunk_bytes(const AffineMapSizes& s, std::int64_t chunk, Dtype dtype, bool delta) {
  std::int64_t numbers = chunk * (4 * s.key + 2 * s.value + s.decay + chunk) + s.key * s.value;
  if (delta) numbers += chunk * (2 * s.key + 3 * s.value + 2 * chunk);
  return numbers * static_cast<std::int64_t>(size_of(accumulation_dtype(dtype)));
}

// 0: all of them.
std::int64_t chunks_at_once(const RecurrenceSettings& settings, const RecurrenceInput& in) {
  if (!device::host_accessible()) return 0;
  const std::int64_t chunk = chunk_sizes(settings, in).chunk;
  const std::int64_t bytes = chunk_bytes(map_sizes(settings, in), chunk, in.q.dtype(), in.beta.defined());
  return std::max<std::int64_t>(1, kWindowBytes * device::concurrency() / bytes);
}

std::vector<Range> cut(std::int64_t n, std::int64_t most) {
  std::vector<Range> parts;
  for (std::int64_t i = 0; i < n; i += most) parts.push_back({i, std::min(n, i + most)});
  return parts;
}

}  // namespace

ChunkSizes chunk_sizes(const RecurrenceSettings& settings, const RecurrenceInput& in) {
  const std::int64_t length = in.q.dim(1);
  const std::int64_t chunk = std::max<std::int64_t>(1, std::min(settings.chunk, length));
  return ChunkSizes::whole(in.q.dim(0), settings.heads, length, chunk, settings.reversed);
}

AffineMapSizes map_sizes(const RecurrenceSettings& settings, const RecurrenceInput& in) {
  const AffineMapSizes sizes{in.k.dim(2) / settings.key_heads, in.v.dim(2) / settings.heads,
                             in.log_decay.dim(2) / settings.heads, in.beta.defined()};
  LONGSPAN_CHECK(sizes.decay == 1 || (sizes.decay == sizes.key && !sizes.dense),
                 "[recurrence] {} decays for {} channels", sizes.decay, sizes.key);
  return sizes;
}

Tensor zero_state(const RecurrenceSettings& settings, const RecurrenceInput& in) {
  const AffineMapSizes sizes = map_sizes(settings, in);
  return Tensor::zeros({in.k.dim(0) * settings.heads, sizes.key, sizes.value}, accumulation_dtype(in.k.dtype()),
                       Memory::workspace, "state");
}

std::vector<std::vector<ChunkSizes>> cut_run(const RecurrenceSettings& settings, const RecurrenceInput& in) {
  const ChunkSizes whole = chunk_sizes(settings, in);
  const std::int64_t fitting = settings.at_once > 0 ? settings.at_once : chunks_at_once(settings, in);
  if (fitting == 0 || whole.rows() * whole.count() == 0) return {{whole}};
  const std::int64_t share = settings.heads / settings.key_heads;
  const std::int64_t pairs_at_once = std::min(fitting, kWindowPairs * device::concurrency());
  const std::int64_t rows = std::min(whole.rows(), std::max<std::int64_t>(1, pairs_at_once / share) * share);
  std::vector<std::vector<ChunkSizes>> runs;
  for (const Range& pairs : cut(whole.rows(), rows)) {
    std::vector<ChunkSizes>& windows = runs.emplace_back();
    for (const Range& chunks : cut(whole.count(), std::max<std::int64_t>(1, fitting / rows))) {
      windows.push_back(whole.window(pairs, chunks));
    }
  }
  return runs;
}

}  // namespace longspan::ops
