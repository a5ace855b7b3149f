// A task is a block of keys of one key head, over all tiles of queries that see it:
//   P = exp(Q K^T - lse),  dV += P^T dO,  dS = scale P (dO V^T - delta),  dK += dS^T Q,  dQ += dS K
// with dropout as in attention/backward.cpp. Blocks of keys add to a tile's dQ in their order: a task follows the one
// before it, at a distance of a tile, so that sums depend on neither the number of threads nor their speed.
#include <atomic>
#include <thread>

#include "ops/cpu/attention_panels.hpp"
#include "ops/cpu/attention_tasks.hpp"
#include "ops/matmul_library.hpp"

namespace longspan::ops::detail {
namespace {

// How many tiles of queries each task has left behind.
class Progress {
 public:
  explicit Progress(std::int64_t tasks) : tiles_(static_cast<std::size_t>(tasks)) {}
  // Until `task` is beyond tile `index`.
  void wait(std::int64_t task, std::int64_t index) const {
    while (tiles_[task].load(std::memory_order_acquire) <= index) std::this_thread::yield();
  }
  void pass(std::int64_t task, std::int64_t index) { tiles_[task].store(index + 1, std::memory_order_release); }

 private:
  std::vector<std::atomic<std::int64_t>> tiles_;
};

template <class T>
struct BackwardVisit {
  using Step = StepOf<T>;
  static constexpr bool kPairs = kNumbersOfStep<Step> > 1;

  const AttentionRules& rules;
  const AttentionShape& shape;
  const std::vector<PositionRun>& key_runs;
  const Tensor &q, &k, &v, &lse, &dout, &delta, &dq, &dk, &dv;
  std::vector<PositionRun> tiles = cut_runs(rules.query_runs, kTileRows);
  std::vector<Range> spans = visible_spans(rules, shape, tiles);
  PackedRuns<T> packed = PackedRuns<T>(key_runs, shape.width);
  int width = static_cast<int>(shape.width);

  // K^T, K and V^T of one key head.
  struct Keys {
    const Step *transposed, *plain, *values;
  };
  PairRoom pair_room() const {
    return {shape, key_runs.size(), kTileKeys,
            [&](std::int64_t rows) { return 2 * packed.transposed_words_of(rows) + packed.plain_words_of(rows); }};
  }
  Keys keys_at(const Step* pack) const {
    const Step* const plain = pack + packed.transposed_words();
    return {pack, plain, plain + packed.plain_words()};
  }

  // Where a thread keeps what it makes of a tile.
  struct Room {
    float *scores, *dp;               // P and dS come to lie in their place
    bfloat16* ds;                     // rows of dS
    Step *p_pairs, *ds_pairs;         // P and dS, steps over the queries
    Step *queries, *douts;            // rows of Q and dO, steps over the queries
    Step *left_queries, *left_douts;  // where rows have no whole steps
  };
  static constexpr std::int64_t kTileWords = kTileRows * kScoreRow;
  std::int64_t words_of_rows() const { return kTileRows * to_lanes(width); }
  std::int64_t words_of_left() const { return words_of_bands(kTileRows, packed.width_steps()); }
  std::int64_t words_of_thread() const {
    return 2 * kTileWords + (kPairs ? 3 * kTileWords / 2 : 0) + 2 * words_of_rows() + 2 * words_of_left();
  }
  Room room_at(float* words) const {
    float* const narrowed = words + 2 * kTileWords;
    auto* const pairs = reinterpret_cast<Step*>(narrowed + (kPairs ? kTileWords / 2 : 0));
    Step* const rows = pairs + (kPairs ? kTileWords : 0);
    Step* const left = rows + 2 * words_of_rows();
    return {words,
            words + kTileWords,
            reinterpret_cast<bfloat16*>(narrowed),
            pairs,
            pairs + kTileWords / 2,
            rows,
            rows + words_of_rows(),
            left,
            left + words_of_left()};
  }

  template <bool kBias, bool kDropout>
  void run() const {
    const auto blocks = std::ssize(packed.blocks());
    const PairRoom room = pair_room();
    const Tensor keys = Tensor::empty({room.words}, Dtype::float32, Memory::workspace, "packed keys");
    const Tensor rooms = Tensor::empty({device::concurrency(), words_of_thread()}, Dtype::float32, Memory::workspace,
                                       "attention scores");
    auto* const packs = reinterpret_cast<Step*>(keys.data<float>());
    const Poll poll(rules.poll);
    const auto pack_block = [&](const KeyBlock& block, std::int64_t pair, Step* to) { pack(block, pair, to); };
    for_packed_pairs(shape, room, packed.blocks(), packs, pack_block, [&](std::int64_t first, std::int64_t pairs) {
      Progress progress(pairs * blocks);
      for_tasks("longspan::ops::attention_backward", pairs * blocks, [&](std::int64_t task, std::int64_t thread) {
        const std::int64_t pair = task % pairs;
        const auto done_before = [&](std::int64_t index) {
          if (task >= pairs) progress.wait(task - pairs, index);
        };
        const auto done = [&](std::int64_t index) {
          progress.pass(task, index);
          poll();
        };
        over_queries<kBias, kDropout>(packed.blocks()[task / pairs], first + pair,
                                      keys_at(packs + pair * room.words_of_pair),
                                      room_at(rooms.data<float>() + thread * words_of_thread()), done_before, done);
      });
    });
  }

  void pack(const KeyBlock& block, std::int64_t pair, Step* to) const {
    packed.pack_transposed(block, rows_of_head<T>(k, pair), to);
    packed.pack_plain(block, rows_of_head<T>(k, pair), to + packed.transposed_words());
    packed.pack_transposed(block, rows_of_head<T>(v, pair), to + packed.transposed_words() + packed.plain_words());
  }

  template <bool kBias, bool kDropout, class Before, class Done>
  void over_queries(const KeyBlock& block, std::int64_t pair, const Keys& keys, const Room& room,
                    const Before& done_before, const Done& done) const {
    std::int64_t index = 0;
    for (std::int64_t member = 0; member < shape.group(); ++member) {
      for (std::size_t tile = 0; tile < tiles.size(); ++tile, ++index) {
        const PositionRun piece = seen_piece(block, spans[tile * shape.batch + pair / shape.key_heads]);
        if (piece.count > 0) {
          const AttentionTile place{tiles[tile], piece, pair, 1, member, shape.group()};
          const std::int64_t first = piece.row - key_runs[block.run].row;
          make_gradients<kBias, kDropout>(place, block.run, first, keys, room);
          done_before(index);
          const std::int64_t head = pair * shape.group() + member;
          add_product(rows_of_ds(room), static_cast<int>(place.queries.count),
                      keys.plain + packed.plain_at(block.run, first), static_cast<int>(steps_of<Step>(piece.count)),
                      width, rows_of_head<float>(dq, head) + place.queries.row * width);
        } else {
          done_before(index);
        }
        done(index);
      }
    }
  }

  // What a tile of queries sees of a block.
  PositionRun seen_piece(const KeyBlock& block, const Range& span) const {
    const PositionRun& run = key_runs[block.run];
    const PositionRun seen = clip(run, span, kGrain);
    const std::int64_t begin = std::max(seen.row - run.row, block.first),
                       end = std::min(seen.row - run.row + seen.count, block.first + block.count);
    return {run.row + begin, run.position(begin), std::max<std::int64_t>(0, end - begin), run.stride};
  }

  // P and dS of a tile, and what they add to dV and dK.
  template <bool kBias, bool kDropout>
  void make_gradients(const AttentionTile& place, std::size_t run, std::int64_t first, const Keys& keys,
                      const Room& room) const {
    const std::int64_t head = place.first_pair * shape.group() + place.member, from = place.queries.row * width;
    const int rows = static_cast<int>(place.queries.count), cols = static_cast<int>(place.keys.count);
    const T *const q_rows = rows_of_head<T>(q, head) + from, *const do_rows = rows_of_head<T>(dout, head) + from;
    const Step *const queries = plain_rows(q_rows, rows, room.queries), *const douts =
                                                                            plain_rows(do_rows, rows, room.douts);
    const std::int64_t at = packed.transposed_at(run, first);
    multiply_by_transposed(as_steps(q_rows, width, width, rows, room.left_queries), rows, keys.transposed + at,
                           packed.width_steps(), cols, room.scores);
    multiply_by_transposed(as_steps(do_rows, width, width, rows, room.left_douts), rows, keys.values + at,
                           packed.width_steps(), cols, room.dp);
    score_gradients<kBias, kDropout>(place, room);
    const int steps = static_cast<int>(steps_of<Step>(rows));
    const std::int64_t key_row = place.keys.row * width;
    add_product(columns_of(room.scores, room.p_pairs), cols, douts, steps, width,
                rows_of_head<float>(dv, place.first_pair) + key_row);
    add_product(columns_of(room.dp, room.ds_pairs), cols, queries, steps, width,
                rows_of_head<float>(dk, place.first_pair) + key_row);
  }

  // Steps over rows of queries, of a width of whole vectors.
  const Step* plain_rows(const T* x, int rows, Step* room) const {
    if constexpr (std::is_same_v<T, Step>) {
      if (width % kLanes == 0) return x;
    }
    pack_rows(x, width, rows, width, room, to_lanes(width));
    return room;
  }

  template <bool kBias, bool kDropout>
  void score_gradients(const AttentionTile& place, const Room& room) const {
    const ScoreTile<float> tile(rules, shape, place);
    const int whole = to_lanes(tile.cols);
    for (int i = 0; i < tile.rows; ++i) {
      ScoreRow<float> row = tile.row(0, i);
      float *const s = room.scores + i * kScoreRow, *const dp = room.dp + i * kScoreRow;
      const float row_lse = lse.data<float>()[row.state];
      if (row_lse == -Kokkos::Experimental::infinity_v<float>) row.from = row.to = 0;
      const float row_delta = delta.data<float>()[row.state];
      row.sees_all()
          ? gradient_row<float, float, kBias, kDropout, true>(Alone(), row, s, dp, s, dp, row_lse, row_delta)
          : gradient_row<float, float, kBias, kDropout, false>(Alone(), row, s, dp, s, dp, row_lse, row_delta);
      clear_hidden(Alone(), s, row, whole);
      clear_hidden(Alone(), dp, row, whole);
      if constexpr (kPairs) narrow_rows(room, i, tile.rows, whole);
    }
  }

  // Row i of dS, and with an odd one or the last the pairs that it completes.
  static void narrow_rows(const Room& room, int i, int rows, int whole) {
    float *const s = room.scores + i * kScoreRow, *const dp = room.dp + i * kScoreRow;
    narrow(dp, whole, room.ds + i * kScoreRow);
    const int even = i / 2 * 2;
    if (i == even && i + 1 < rows) return;
    if (i == even) {  // no partner
      std::fill_n(s + kScoreRow, whole, 0.0f);
      std::fill_n(dp + kScoreRow, whole, 0.0f);
    }
    for (const auto& [from, to] : {std::pair(room.scores, room.p_pairs), std::pair(room.dp, room.ds_pairs)}) {
      narrow_pairs(from + even * kScoreRow, from + (even + 1) * kScoreRow, whole, to + i / 2 * kScoreRow);
    }
  }

  static StepRows<Step> rows_of_ds(const Room& room) {
    if constexpr (kPairs) {
      return {reinterpret_cast<const Step*>(room.ds), kScoreRow / 2, 1};
    } else {
      return {room.dp, kScoreRow, 1};
    }
  }
  // The transpose of a tile.
  static StepRows<Step> columns_of(const float* tile, const Step* pairs) {
    if constexpr (kPairs) {
      return {pairs, 1, kScoreRow};
    } else {
      return {tile, 1, kScoreRow};
    }
  }

  // Five products of each piece.
  double flops() const {
    double pairs = 0;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      for (std::int64_t b = 0; b < shape.batch; ++b) {
        for (const auto& block : packed.blocks()) {
          pairs += static_cast<double>(tiles[i].count * seen_piece(block, spans[i * shape.batch + b]).count);
        }
      }
    }
    return 10 * pairs * static_cast<double>(shape.heads * shape.width);
  }
};

}  // namespace

void visit_backward_in_panels(const AttentionRules& rules, const Tensor& q, const Tensor& k, const Tensor& v,
                              const std::vector<PositionRun>& key_runs, const Tensor& lse, const Tensor& dout,
                              const Tensor& delta, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  const AttentionShape shape(q, k, v);
  check_runs(rules, shape, key_runs);
  const auto run = [&]<class T, bool kBias, bool kDropout>() {
    const BackwardVisit<T> visit{rules, shape, key_runs, q, k, v, lse, dout, delta, dq, dk, dv};
    visit.template run<kBias, kDropout>();
    count_flops(visit.flops());
  };
  dispatch_rules(rules, q.dtype(), [&]<class T, bool kBias, bool kDropout>() {
    if constexpr (!std::is_same_v<T, double>) run.template operator()<T, kBias, kDropout>();
  });
}

}  // namespace longspan::ops::detail
