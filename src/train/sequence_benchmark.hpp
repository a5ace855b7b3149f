// How attention's methods cross the sequence axis on this machine: one layer, forward and backward, for every method x
// number of ranks x length. Seconds are medians over the repeats of the slowest rank; the whole layer, its products
// alone and its messages alone take turns, so that a machine that slows down slows all three.
#pragma once

#include <string>

#include "comm/comm.hpp"
#include "config/options.hpp"
#include "train/result_table.hpp"

namespace longspan {

struct SequenceBenchmarkConfig {
  std::string methods = "all", ranks, lengths = "4096";  // lists
  std::int64_t heads = 4, kv_heads = 0, head_width = 64, batch = 1;
  bool causal = true;
  std::int64_t window = 0, inner = 0;
  std::string shard = "zigzag", dtype = "float32";
  std::int64_t repeats = 5;
  double message_delay = 0;  // s
  std::string output;
};
void bind(Options& options, SequenceBenchmarkConfig& config);

// Both are collective over `world`. UserError where the configuration cannot run on so many ranks.
ResultTable benchmark_sequence(const SequenceBenchmarkConfig& config, const Comm& world);

// Bytes and messages, counted in a run against the closed form, a line for each case; whether all are equal.
struct TrafficProof {
  std::string text;
  bool equal = true;
};
TrafficProof explain_traffic(const SequenceBenchmarkConfig& config, const Comm& world);

}  // namespace longspan
