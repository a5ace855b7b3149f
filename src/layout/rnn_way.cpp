#include "layout/rnn_way.hpp"

namespace longspan {
namespace {

std::int64_t blocks(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

// Both costs are those of a rank for one of its positions, forward; the way back is like it.
double exchange_cost(const RnnLayer& l, int ranks) {
  const std::int64_t most = blocks(l.heads, ranks), kept = l.heads / ranks;
  const std::int64_t products = (l.batch + 1) * ranks * most * l.recurrent * l.head_width * l.head_width;
  const std::int64_t bytes = l.batch * (l.heads - kept) * (l.inputs + 1) * l.head_width * l.element_bytes;
  return static_cast<double>(products) + kProductsPerByte * static_cast<double>(bytes);
}

double relay_cost(const RnnLayer& l, int ranks, std::int64_t groups) {
  const std::int64_t width = l.heads * l.head_width;
  const std::int64_t products = relay_turns(ranks, l.batch, groups) * width * l.recurrent * l.head_width;
  const std::int64_t bytes = l.contiguous ? 0 : 2 * l.batch * width * l.element_bytes;
  return static_cast<double>(products) + kProductsPerByte * static_cast<double>(bytes);
}

}  // namespace

const char* to_string(RnnWay way) { return way == RnnWay::relay ? "relay" : "exchange"; }

std::int64_t relay_turns(int ranks, std::int64_t batch, std::int64_t groups) {
  return (groups + ranks - 1) * (blocks(batch, groups) + 1);
}

RnnCrossing choose_rnn_way(const RnnLayer& layer, int ranks) {
  if (ranks == 1) return {};
  RnnCrossing best{RnnWay::relay, 1};
  for (std::int64_t groups = 2; groups <= layer.batch; ++groups) {
    if (relay_turns(ranks, layer.batch, groups) < relay_turns(ranks, layer.batch, best.groups)) best.groups = groups;
  }
  const bool shared = layer.heads >= ranks;
  if (shared && exchange_cost(layer, ranks) <= relay_cost(layer, ranks, best.groups)) return {};
  return best;
}

}  // namespace longspan
