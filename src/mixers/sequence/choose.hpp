// Which method crosses the sequence axis fastest for one attention layer: closed forms of its work and its messages
// with rates measured on the machine. A pure function: the same numbers give the same choice on every rank.
//
// With S ranks, c the seconds of the busiest rank's products and m those of the messages of the rank that sends most, a
// pass in n parts whose next messages travel behind the present products takes
//   hidden(c, m, n) = c/n + (n-1) max(c/n, m/(n-1))
//   ring                hidden(c, m, S); in the backward the last hop of the gradients stays visible
//   bidirectional_ring  the same with what a rank sends both ways at once
//   double_ring         within a round inside the node as ring; the hop between nodes has a round's products to hide
//                       behind
//   tokenring           hidden(c, m, S) with queries one way and results the other; the last results stay visible
//   ulysses             c + m: nothing is hidden
//   ulysses_ring        its all-to-all among neighbours, then a ring among the groups
//   allgather_kv        in as many parts as there are chunks of heads; the first gather and the last sum stay visible
//   window              max(c, m)
// Documents, dropout and the copies that each method makes are not looked at.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "mixers/sequence/sequence_method.hpp"

namespace longspan {

// What a rank of a group sends, all ranks at once: bytes/s.
struct LinkRates {
  static constexpr double kInfinite = std::numeric_limits<double>::infinity();
  double latency = 0;  // s, of a message
  double one_way = kInfinite, both_ways = kInfinite,
         all_to_all = kInfinite;  // to the next rank; to both; to all others
};

struct MachineRates {
  double forward = 1, backward = 1;  // FLOP/s of one rank in attention's two passes
  LinkRates all, inner, outer;       // over the whole axis, among neighbours, among the groups of neighbours
};

// One layer on the sequence axis: `ranks` in groups of `inner` neighbours.
struct SpreadLayer {
  AttentionSizes sizes;
  MaskRule mask;
  ShardKind shard = ShardKind::zigzag;
  std::int64_t length = 1;
  int ranks = 1, inner = 1;
};

// Neighbours where the configuration leaves them open: an inner ring of about the square root for double_ring, else as
// many as there are key heads to share.
int neighbours(const std::string& method, int ranks, std::int64_t key_heads);

// Why a method cannot run on a layer, as the end of a sentence; empty where it can.
std::string obstacle(const std::string& method, const SpreadLayer& layer);

struct MethodSeconds {
  std::string method;
  double seconds;  // forward and backward of the layer
};
double predict_seconds(const std::string& method, const SpreadLayer& layer, const MachineRates& rates);
// Every method that can run and may be the best, the best first. Of those within a hundredth of the fastest the simplest is the best.
std::vector<MethodSeconds> rank_methods(const SpreadLayer& layer, const MachineRates& rates);

}  // namespace longspan
