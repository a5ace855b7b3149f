// Ways of sequential recurrences across the sequence axis, in closed form. Steps follow one another, so that a rank
// cannot start on its positions before the rank before it has ended on the same sequence.
//   exchange  rows for heads and back, all to all: each rank runs whole sequences of its share of the heads, and needs
//   one relay     each rank runs all heads over its own positions and hands their states on. The sequences of a batch
//   go in
//             groups, one after the other, so that a rank waits S - 1 of S - 1 + groups turns, either way
#pragma once

#include <cstdint>

namespace longspan {

enum class RnnWay { exchange, relay };
const char* to_string(RnnWay way);

struct RnnLayer {
  std::int64_t batch = 1, heads = 1, head_width = 1;   // B, H of a rank of the tensor axis, K
  std::int64_t inputs = 1, recurrent = 1, states = 1;  // of each channel
  std::int64_t element_bytes = 4;                      // of the model's dtype
  bool contiguous = true;  // the shard of the run; from another one rows move to it and back
};

struct RnnCrossing {
  RnnWay way = RnnWay::exchange;
  std::int64_t groups = 1;  // of sequences, in a relay
  bool operator==(const RnnCrossing&) const = default;
};

// Turns of a relay of this many ranks, in units of one sequence's products: a group of n sequences takes n + 1, since
// reading a weight for all of them takes about as long as one product with it.
std::int64_t relay_turns(int ranks, std::int64_t batch, std::int64_t groups);

// Elements of states that a rank sends in a relay, in either direction: nothing behind the last one (the first one on
// the way back). They do not depend on the length.
constexpr std::int64_t relay_volume(const RnnLayer& layer, int ranks, int place) {
  return place + 1 < ranks ? layer.states * layer.batch * layer.heads * layer.head_width : 0;
}

// The way that is done first where a byte takes as long as kProductsPerByte products, for any length: the relay where
// there are fewer heads than ranks, no matter what.
inline constexpr double kProductsPerByte = 8;
RnnCrossing choose_rnn_way(const RnnLayer& layer, int ranks);

}  // namespace longspan
