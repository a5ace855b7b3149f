// A task is a tile of queries of one head: over all blocks of keys that it sees S = Q K^T, the online softmax, O += P
// V.
#include "ops/cpu/attention_panels.hpp"
#include "ops/cpu/attention_tasks.hpp"
#include "ops/matmul_library.hpp"

namespace longspan::ops::detail {
namespace {

template <class T>
struct ForwardVisit {
  using Step = StepOf<T>;

  const AttentionRules& rules;
  const AttentionShape& shape;
  const std::vector<PositionRun>& key_runs;
  const Tensor &q, &k, &v;
  const AttentionState& state;
  std::vector<PositionRun> tiles = cut_runs(rules.query_runs, kTileRows);
  std::vector<Range> spans = visible_spans(rules, shape, tiles);
  PackedRuns<T> packed = PackedRuns<T>(key_runs, shape.width);
  int width = static_cast<int>(shape.width);

  PairRoom pair_room() const {
    return {shape, key_runs.size(), kTileRows,
            [&](std::int64_t rows) { return packed.transposed_words_of(rows) + packed.plain_words_of(rows); }};
  }
  std::int64_t words_of_queries() const { return words_of_bands(kTileRows, packed.width_steps()); }
  // Scores, weights of bfloat16, and queries whose rows have no whole steps.
  std::int64_t words_of_thread() const {
    return kTileRows * kScoreRow + (kNumbersOfStep<Step> > 1 ? kTileRows * kScoreRow / 2 : 0) + words_of_queries();
  }

  template <bool kBias, bool kDropout>
  void run() const {
    const std::int64_t tasks_of_pair = shape.group() * static_cast<std::int64_t>(tiles.size());
    const PairRoom room = pair_room();
    const Tensor keys = Tensor::empty({room.words}, Dtype::float32, Memory::workspace, "packed keys");
    const Tensor rooms = Tensor::empty({device::concurrency(), words_of_thread()}, Dtype::float32, Memory::workspace,
                                       "attention scores");
    auto* const packs = reinterpret_cast<Step*>(keys.data<float>());
    const Poll poll(rules.poll);
    const auto pack_block = [&](const KeyBlock& block, std::int64_t pair, Step* to) { pack(block, pair, to); };
    for_packed_pairs(shape, room, packed.blocks(), packs, pack_block, [&](std::int64_t first, std::int64_t pairs) {
      for_tasks("longspan::ops::attention", pairs * tasks_of_pair, [&](std::int64_t task, std::int64_t thread) {
        const std::int64_t pair = task / tasks_of_pair, tile = task % tasks_of_pair;
        attend<kBias, kDropout>(first + pair, tile / std::ssize(tiles),
                                std::ssize(tiles) - 1 - tile % std::ssize(tiles),  // of a triangle the longest first
                                packs + pair * room.words_of_pair, rooms.data<float>() + thread * words_of_thread(),
                                poll);
      });
    });
  }

  void pack(const KeyBlock& block, std::int64_t pair, Step* to) const {
    packed.pack_transposed(block, rows_of_head<T>(k, pair), to);
    packed.pack_plain(block, rows_of_head<T>(v, pair), to + packed.transposed_words());
  }

  template <bool kBias, bool kDropout>
  void attend(std::int64_t pair, std::int64_t member, std::int64_t tile, const Step* keys, float* scores,
              const Poll& poll) const {
    const PositionRun& queries = tiles[tile];
    const std::int64_t head = pair * shape.group() + member;
    const int rows = static_cast<int>(queries.count);
    auto* const weights = reinterpret_cast<bfloat16*>(scores + kTileRows * kScoreRow);
    auto* const room = reinterpret_cast<Step*>(scores + words_of_thread() - words_of_queries());
    const auto q_rows = as_steps(rows_of_head<T>(q, head) + queries.row * width, width, width, rows, room);
    float* const acc = rows_of_head<float>(state.acc, head) + queries.row * width;
    const Range span = spans[tile * shape.batch + pair / shape.key_heads];
    for (std::size_t r = 0; r < key_runs.size(); ++r) {
      for (const PositionRun& piece : cut(clip(key_runs[r], span, kGrain), kTileKeys)) {
        const std::int64_t first = piece.row - key_runs[r].row;
        const int cols = static_cast<int>(piece.count);
        multiply_by_transposed(q_rows, rows, keys + packed.transposed_at(r, first), packed.width_steps(), cols, scores);
        softmax<kBias, kDropout>(AttentionTile{queries, piece, pair, 1, member, shape.group()}, scores, weights);
        const Step* const values = keys + packed.transposed_words() + packed.plain_at(r, first);
        add_product(weight_rows(scores, weights), rows, values, static_cast<int>(steps_of<Step>(cols)), width, acc);
        poll();
      }
    }
  }

  template <bool kBias, bool kDropout>
  void softmax(const AttentionTile& place, float* scores, bfloat16* weights) const {
    const ScoreTile<float> tile(rules, shape, place);
    const RunningRows<float> running{state.m.data<float>(), state.l.data<float>(), state.acc.data<float>(),
                                     shape.width};
    const int whole = to_lanes(tile.cols);
    for (int i = 0; i < tile.rows; ++i) {
      const ScoreRow<float> row = tile.row(0, i);
      float* const s = scores + i * kScoreRow;
      if (row.lo < row.hi) {
        row.sees_all() ? softmax_row<float, float, kBias, kDropout, true>(Alone(), row, s, s, running)
                       : softmax_row<float, float, kBias, kDropout, false>(Alone(), row, s, s, running);
      }
      clear_hidden(Alone(), s, row, whole);
      if constexpr (kNumbersOfStep<Step> > 1) narrow(s, whole, weights + i * kScoreRow);
    }
  }

  static StepRows<Step> weight_rows(const float* scores, const bfloat16* weights) {
    if constexpr (kNumbersOfStep<Step> == 1) {
      return {scores, kScoreRow, 1};
    } else {
      return {reinterpret_cast<const Step*>(weights), kScoreRow / 2, 1};
    }
  }

  // Two products of each piece.
  double flops() const {
    double pairs = 0;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      for (std::int64_t b = 0; b < shape.batch; ++b) {
        for (const auto& run : key_runs) {
          pairs += static_cast<double>(tiles[i].count * clip(run, spans[i * shape.batch + b], kGrain).count);
        }
      }
    }
    return 4 * pairs * static_cast<double>(shape.heads * shape.width);
  }
};

}  // namespace

bool attends_in_panels(Dtype dtype) { return kHasVectors && dtype != Dtype::float64; }

void visit_in_panels(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                     const std::vector<PositionRun>& key_runs, const AttentionState& state) {
  const AttentionShape shape(q, k, v);
  check_runs(rules, shape, key_runs);
  const auto run = [&]<class T, bool kBias, bool kDropout>() {
    const ForwardVisit<T> visit{rules, shape, key_runs, q, k, v, state};
    visit.template run<kBias, kDropout>();
    count_flops(visit.flops());
  };
  dispatch_rules(rules, q.dtype(), [&]<class T, bool kBias, bool kDropout>() {
    if constexpr (!std::is_same_v<T, double>) run.template operator()<T, kBias, kDropout>();
  });
}

}  // namespace longspan::ops::detail
