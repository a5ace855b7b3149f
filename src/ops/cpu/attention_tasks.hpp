// What both directions of attention in panels share: tiles of queries, blocks of keys and their packed form, and tasks
// that threads take one after the other.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "ops/attention/softmax_rows.hpp"
#include "ops/attention/tiles.hpp"
#include "ops/cpu/narrow.hpp"
#include "ops/cpu/panels.hpp"
#include "tensor/device.hpp"

namespace longspan::ops::detail {

// A tile of scores and what it is made from stay in the second cache.
inline constexpr int kTileRows = 64, kTileKeys = 256, kGrain = 64;
static_assert(kGrain % kPanel == 0);
// From a row of scores to the next: not a power of two, which would crowd a few sets of the first cache.
inline constexpr int kScoreRow = kTileKeys + 16;

constexpr int to_lanes(std::int64_t n) { return static_cast<int>((n + kLanes - 1) / kLanes * kLanes); }

// Each of `threads` threads takes the next of n tasks until there are none: body(task, thread).
template <class Body>
void for_tasks(const char* label, std::int64_t n, const Body& body) {
  std::atomic<std::int64_t> next = 0;
  launch(label, RangePolicy(0, std::min<std::int64_t>(n, device::concurrency())), [&](std::int64_t thread) {
    for (std::int64_t task; (task = next.fetch_add(1)) < n;) body(task, thread);
  });
}

// Lets messages move on, from the thread that may.
class Poll {
 public:
  explicit Poll(const std::function<void()>& poll) : poll_(poll) {}
  void operator()() const {
    if (poll_ && std::this_thread::get_id() == driver_) poll_();
  }

 private:
  const std::function<void()>& poll_;
  std::thread::id driver_ = std::this_thread::get_id();
};

// A run of keys in blocks: `first` is counted from the start of run `run`, a multiple of kTileKeys.
struct KeyBlock {
  std::size_t run;
  std::int64_t first, count;
};

// Where the packed rows of runs lie, for rows of `width` numbers. Each run begins with a panel and a step of its own.
template <class T>
class PackedRuns {
 public:
  using Step = StepOf<T>;

  PackedRuns(const std::vector<PositionRun>& runs, std::int64_t width) : runs_(runs), width_(width) {
    std::int64_t panels = 0, steps = 0;
    for (std::size_t r = 0; r < runs.size(); ++r) {
      panels_before_.push_back(panels);
      steps_before_.push_back(steps);
      for (std::int64_t first = 0; first < runs[r].count; first += kTileKeys) {
        blocks_.push_back({r, first, std::min<std::int64_t>(kTileKeys, runs[r].count - first)});
      }
      panels += (runs[r].count + kPanel - 1) / kPanel;
      steps += steps_of<Step>(runs[r].count);
    }
    transposed_words_ = panels * kPanel * width_steps();
    plain_words_ = steps * to_lanes(width);
  }

  const std::vector<KeyBlock>& blocks() const { return blocks_; }
  // Words of n rows and whatever their runs.
  std::int64_t transposed_words_of(std::int64_t rows) const { return rows * width_steps(); }
  std::int64_t plain_words_of(std::int64_t rows) const { return steps_of<Step>(rows) * to_lanes(width_); }
  int width_steps() const { return static_cast<int>(steps_of<Step>(width_)); }
  // Words of x^T, the right side of a product over the width, and of x, that of a product over rows.
  std::int64_t transposed_words() const { return transposed_words_; }
  std::int64_t plain_words() const { return plain_words_; }
  // Where the rows of a run from `first` on begin in each.
  std::int64_t transposed_at(std::size_t run, std::int64_t first) const {
    return (panels_before_[run] + first / kPanel) * kPanel * width_steps();
  }
  std::int64_t plain_at(std::size_t run, std::int64_t first) const {
    return (steps_before_[run] + first / kNumbersOfStep<Step>)*to_lanes(width_);
  }

  // A block of the rows at x, to the places above.
  void pack_transposed(const KeyBlock& block, const T* x, Step* to) const {
    for (std::int64_t i = 0; i < block.count; i += kPanel) {
      pack_columns(x + (runs_[block.run].row + block.first + i) * width_, width_, static_cast<int>(width_),
                   static_cast<int>(std::min<std::int64_t>(kPanel, block.count - i)),
                   to + transposed_at(block.run, block.first + i), kPanel);
    }
  }
  void pack_plain(const KeyBlock& block, const T* x, Step* to) const {
    pack_rows(x + (runs_[block.run].row + block.first) * width_, width_, static_cast<int>(block.count),
              static_cast<int>(width_), to + plain_at(block.run, block.first), to_lanes(width_));
  }

 private:
  const std::vector<PositionRun>& runs_;
  std::int64_t width_, transposed_words_ = 0, plain_words_ = 0;
  std::vector<std::int64_t> panels_before_, steps_before_;
  std::vector<KeyBlock> blocks_;
};

// Room for the packed keys of as many (sequence, key head) pairs as give every thread enough tasks to be busy to the
// end. More keys never ask for less room, and a few keys more or less for the same, so that ranks whose shards differ
// by a row need not be told apart.
struct PairRoom {
  std::int64_t words_of_pair, together, words;

  // words_of_rows(n): of n rows; a task covers rows_of_task keys or so.
  template <class Words>
  PairRoom(const AttentionShape& shape, std::size_t runs, std::int64_t rows_of_task, const Words& words_of_rows) {
    constexpr std::int64_t kTasksOfThread = 16;
    const std::int64_t threads = device::concurrency(), least = std::min<std::int64_t>({threads, 2, shape.pairs()});
    const std::int64_t rows = (shape.keys + kTileKeys - 1) / kTileKeys * kTileKeys +
                              kPanel * std::max<std::int64_t>(2, static_cast<std::int64_t>(runs));
    const std::int64_t wanted = words_of_rows(kTasksOfThread * threads * rows_of_task);
    words_of_pair = words_of_rows(rows);
    words = std::min(shape.pairs() * words_of_pair, std::max(least * words_of_pair, wanted));
    together = words_of_pair > 0 ? words / words_of_pair : shape.pairs();
  }
};

// Groups of pairs one after the other: pack(block, pair, where) of every block of keys of a group's pairs, then
// body(first pair, pairs) with pair `first + i` packed at packs + i room.words_of_pair.
template <class Step, class Pack, class Body>
void for_packed_pairs(const AttentionShape& shape, const PairRoom& room, const std::vector<KeyBlock>& blocks,
                      Step* packs, const Pack& pack, const Body& body) {
  for (std::int64_t first = 0; first < shape.pairs(); first += room.together) {
    const std::int64_t pairs = std::min(room.together, shape.pairs() - first);
    for_tasks("longspan::ops::attention_pack", pairs * std::ssize(blocks), [&](std::int64_t task, std::int64_t) {
      const std::int64_t pair = task / std::ssize(blocks);
      pack(blocks[task % std::ssize(blocks)], first + pair, packs + pair * room.words_of_pair);
    });
    body(first, pairs);
  }
}

// The rows of one head of a [B, H, T, K] tensor.
template <class T>
T* rows_of_head(const Tensor& x, std::int64_t head) {
  return x.data<T>() + head * x.dim(2) * x.dim(3);
}

// s = a x^T of rows by `cols` rows of packed x^T: whole vectors, kScoreRow apart.
template <class Step>
void multiply_by_transposed(const StepRows<Step>& a, int rows, const Step* x, int width_steps, int cols, float* s) {
  for (int j = 0; j < cols; j += kPanel) {
    multiply_panel(a, rows, x + j * width_steps, kPanel, width_steps, s + j, kScoreRow,
                   std::min(kPanel, to_lanes(cols - j)), false);
  }
}

// c += a x of `steps` steps by a width of x.
template <class Step>
void add_product(const StepRows<Step>& a, int rows, const Step* x, int steps, int width, float* c) {
  for (int j = 0; j < width; j += kPanel) {
    multiply_panel(a, rows, x + j, to_lanes(width), steps, c + j, width, std::min(kPanel, width - j), true);
  }
}

}  // namespace longspan::ops::detail
