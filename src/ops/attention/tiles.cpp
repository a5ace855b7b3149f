#include "ops/attention/tiles.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "tensor/device.hpp"
#include "tensor/shape_only.hpp"

namespace longspan::ops {
namespace detail {
namespace {

// On a CPU a float32 tile of 128 x 256 scores takes 128 KiB: with its inputs and its bfloat16 copy it stays in a core's
// L2 cache. On a GPU the tiles of all pairs are one product, which must outweigh the start of a kernel.
struct TileSize {
  std::int64_t queries, keys;
};
TileSize tile_size() { return device::host_accessible() ? TileSize{128, 256} : TileSize{512, 1024}; }
constexpr std::int64_t kKeyGrain = 64;

// (sequence, key head) pairs of which the tiles are computed together: enough to occupy every thread.
std::int64_t pairs_at_once(const AttentionShape& shape) {
  if (!device::host_accessible()) return shape.pairs();
  return std::min<std::int64_t>(std::max(device::concurrency(), 2), shape.pairs());
}

Range hull(const Range& a, const Range& b) {
  if (a.size() <= 0) return b;
  if (b.size() <= 0) return a;
  return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

// Number of rows of a run at positions before `position`.
std::int64_t rows_before(const PositionRun& run, std::int64_t position) {
  if (position <= run.first) return 0;
  return std::min(run.count, (position - run.first + run.stride - 1) / run.stride);
}

// The number of rows that runs hold, each inside a tensor of `rows` rows.
std::int64_t rows_of(const std::vector<PositionRun>& runs, std::int64_t rows, const char* what) {
  std::int64_t count = 0;
  for (const auto& run : runs) {
    LONGSPAN_CHECK(run.count >= 0 && run.row >= 0 && run.row + run.count <= rows && run.stride > 0,
                   "[attention] {} run of {} rows from row {} of {}", what, run.count, run.row, rows);
    count += run.count;
  }
  LONGSPAN_CHECK(count <= rows, "[attention] {} runs hold {} rows of {}", what, count, rows);
  return count;
}

// Calls `body` for the first tile of each size alone.
std::function<void(const AttentionTile&)> one_of_each_size(const std::function<void(const AttentionTile&)>& body) {
  return [&body, seen = std::set<std::array<std::int64_t, 3>>()](const AttentionTile& tile) mutable {
    if (seen.insert({tile.queries.count, tile.keys.count, tile.pairs}).second) body(tile);
  };
}

}  // namespace

AttentionShape::AttentionShape(const Tensor& q, const Tensor& k, const Tensor& v)
    : batch(q.dim(0)), heads(q.dim(1)), key_heads(k.dim(1)), queries(q.dim(2)), keys(k.dim(2)), width(q.dim(3)) {
  LONGSPAN_CHECK(k.shape() == Shape({batch, key_heads, keys, width}) && v.shape() == k.shape() && key_heads > 0 &&
                     heads % key_heads == 0,
                 "[attention] queries {}, keys {} and values {} do not fit", q.shape().str(), k.shape().str(),
                 v.shape().str());
}

MatrixRef AttentionTile::rows(const Tensor& x, std::int64_t head, std::int64_t step, const PositionRun& run) {
  const std::int64_t length = x.dim(2), width = x.dim(3);
  MatrixRef m;
  m.data = static_cast<char*>(x.raw()) + (head * length + run.row) * width * size_of(x.dtype());
  m.dtype = x.dtype();
  m.rows = run.count;
  m.cols = m.leading = width;
  m.batch_stride = step * length * width;
  return m;
}

MatrixRef AttentionTile::scores(const Tensor& workspace) const {
  MatrixRef m;
  m.data = workspace.raw();
  m.dtype = workspace.dtype();
  m.rows = queries.count;
  m.cols = m.leading = keys.count;
  m.batch_stride = m.rows * m.cols;
  return m;
}

std::vector<Range> visible_spans(const AttentionRules& rules, const AttentionShape& shape,
                                 const std::vector<PositionRun>& tiles) {
  const std::vector<std::int32_t>&begin = rules.visible_begin.host(), &end = rules.visible_end.host();
  std::vector<Range> spans;
  for (const PositionRun& tile : tiles) {
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      Range span;
      for (std::int64_t i = b * shape.queries + tile.row; i < b * shape.queries + tile.row + tile.count; ++i) {
        span = hull(span, {begin[i], end[i]});
      }
      spans.push_back(span);
    }
  }
  return spans;
}

std::vector<PositionRun> cut(const PositionRun& run, std::int64_t rows) {
  std::vector<PositionRun> pieces;
  for (std::int64_t i = 0; i < run.count; i += rows) {
    pieces.push_back({run.row + i, run.position(i), std::min(rows, run.count - i), run.stride});
  }
  return pieces;
}

std::vector<PositionRun> cut_runs(const std::vector<PositionRun>& runs, std::int64_t rows) {
  std::vector<PositionRun> pieces;
  for (const auto& run : runs) {
    for (const auto& piece : cut(run, rows)) pieces.push_back(piece);
  }
  return pieces;
}

void check_runs(const AttentionRules& rules, const AttentionShape& shape, const std::vector<PositionRun>& key_runs) {
  LONGSPAN_CHECK(rows_of(rules.query_runs, shape.queries, "query") == shape.queries,
                 "[attention] query runs leave some of {} rows out", shape.queries);
  rows_of(key_runs, shape.keys, "key");  // may be fewer: a cache of keys has room for more
}

PositionRun clip(const PositionRun& run, const Range& span, std::int64_t grain) {
  const std::int64_t lo = rows_before(run, span.begin), hi = rows_before(run, span.end);
  if (hi <= lo) return {run.row, run.first, 0, run.stride};
  const std::int64_t from = lo / grain * grain, to = std::min((hi + grain - 1) / grain * grain, run.count);
  return {run.row + from, run.position(from), to - from, run.stride};
}

void for_each_tile(const AttentionRules& rules, const AttentionShape& shape, const std::vector<PositionRun>& key_runs,
                   const std::function<void(const AttentionTile&)>& body) {
  const TileSize largest = tile_size();
  const std::vector<PositionRun> query_tiles = cut_runs(rules.query_runs, largest.queries);
  check_runs(rules, shape, key_runs);
  const std::vector<Range> spans = visible_spans(rules, shape, query_tiles);
  const auto visit = shape_only() ? one_of_each_size(body) : body;

  const std::int64_t step = pairs_at_once(shape);
  for (std::int64_t first = 0; first < shape.pairs(); first += step) {
    const std::int64_t pairs = std::min(step, shape.pairs() - first);
    // Pairs in the middle and further heads have no other sizes of tiles than the first and the last ones.
    if (shape_only() && first > 0 && first + pairs < shape.pairs()) continue;
    const std::int64_t first_sequence = first / shape.key_heads, last_sequence = (first + pairs - 1) / shape.key_heads;
    for (std::int64_t member = 0; member < (shape_only() ? 1 : shape.group()); ++member) {
      for (std::size_t i = 0; i < query_tiles.size(); ++i) {
        Range span;
        for (auto b = first_sequence; b <= last_sequence; ++b) span = hull(span, spans[i * shape.batch + b]);
        for (const auto& run : key_runs) {
          for (const auto& keys : cut(clip(run, span, kKeyGrain), largest.keys)) {
            visit({query_tiles[i], keys, first, pairs, member, shape.group()});
            if (rules.poll) rules.poll();
          }
        }
      }
    }
  }
}

Tensor tile_workspace(const AttentionShape& shape, Dtype dtype, const char* label) {
  const TileSize largest = tile_size();
  return Tensor::empty(
      {pairs_at_once(shape), std::min(shape.queries, largest.queries), std::min(shape.keys, largest.keys)}, dtype,
      Memory::workspace, label);
}

}  // namespace detail

AttentionRules rules_for_heads(AttentionRules rules, std::int64_t first, std::int64_t count) {
  if (rules.alibi_slopes.defined()) rules.alibi_slopes = rules.alibi_slopes.slice(first, count);
  rules.first_head += first;
  return rules;
}

std::int64_t count_visible_pairs(const std::vector<PositionRun>& query_runs, const std::vector<PositionRun>& key_runs,
                                 const std::vector<std::int32_t>& begin, const std::vector<std::int32_t>& end) {
  LONGSPAN_CHECK(begin.size() == end.size(), "[attention] {} begins and {} ends", begin.size(), end.size());
  std::int64_t pairs = 0;
  for (const auto& queries : query_runs) {
    for (std::int64_t i = queries.row; i < queries.row + queries.count; ++i) {
      const auto row = static_cast<std::size_t>(i);
      LONGSPAN_CHECK(row < begin.size(), "[attention] no visible range for query row {}", i);
      for (const auto& keys : key_runs) pairs += detail::clip(keys, {begin[row], end[row]}, 1).count;
    }
  }
  return pairs;
}

}  // namespace longspan::ops
