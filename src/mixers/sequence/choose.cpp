#include "mixers/sequence/choose.hpp"

#include <algorithm>
#include <cmath>

#include "config/run_config.hpp"
#include "layout/head_share.hpp"
#include "layout/sequence_groups.hpp"
#include "layout/visible_pairs.hpp"

namespace longspan {
namespace {

constexpr double kForwardFlops = 4, kBackwardFlops = 10;  // a visible pair, head and element of its width
constexpr double kAlike = 1.01;                           // predictions closer than this are the same

// Of the rank that sends most.
Traffic most_traffic(const SequenceMethod& method, const AttentionSizes& sizes, const MaskRule& mask,
                     const SequenceShard& shard) {
  Traffic most;
  for (int part = 0; part < shard.parts(); ++part) {
    const Traffic t = method.traffic(sizes, mask, shard.of_part(part));
    most.forward_bytes = std::max(most.forward_bytes, t.forward_bytes);
    most.backward_bytes = std::max(most.backward_bytes, t.backward_bytes);
    most.forward_messages = std::max(most.forward_messages, t.forward_messages);
    most.backward_messages = std::max(most.backward_messages, t.backward_messages);
    most.forward_returning_bytes = std::max(most.forward_returning_bytes, t.forward_returning_bytes);
    most.backward_returning_bytes = std::max(most.backward_returning_bytes, t.backward_returning_bytes);
  }
  return most;
}

// c/n + (n-1) max(c/n, m/(n-1)).
double hidden(double products, double messages, int parts) {
  if (parts == 1) return products + messages;
  const double part = products / parts;
  return part + std::max((parts - 1) * part, messages);
}

struct Products {
  double forward, backward;  // seconds of the busiest rank
};

// What a ring of `ranks` takes whose messages leave at `bytes_per_second`, in `rounds` hops a pass.
double ring_seconds(const Products& c, const Traffic& t, int ranks, double bytes_per_second, double latency) {
  if (ranks == 1) return c.forward + c.backward;
  const auto forward_bytes = static_cast<double>(t.forward_bytes);
  const auto gradient_bytes = static_cast<double>(t.backward_bytes - t.forward_bytes);
  const double last_hop = gradient_bytes / ranks / bytes_per_second + latency;
  const double hops = (ranks - 1) * latency;
  return hidden(c.forward, forward_bytes / bytes_per_second + hops, ranks) +
         hidden(c.backward, (forward_bytes + gradient_bytes) / bytes_per_second + 2 * hops - last_hop, ranks) +
         last_hop;
}

// Rounds of inner - 1 hops among neighbours; what goes to the next group has a round's products to hide behind, its
// gradients those of a step.
double double_ring_seconds(const Products& c, const Traffic& t, const SpreadLayer& layer, const MachineRates& rates) {
  const int steps = layer.ranks, groups = layer.ranks / layer.inner;
  if (groups == 1 || layer.inner == 1) {
    return ring_seconds(c, t, steps, rates.all.one_way, rates.all.latency);
  }
  const double block = static_cast<double>(t.forward_bytes) / (steps - 1);
  const double gradients = static_cast<double>(t.backward_bytes - t.forward_bytes) / steps;
  const auto hop = [](double bytes, const LinkRates& link) { return bytes / link.one_way + link.latency; };
  const auto pass = [&](double products, double inside, double between) {
    const double step = products / steps;
    const double round = step + (layer.inner - 1) * std::max(step, inside);
    return groups * round + (groups - 1) * std::max(0.0, between - round);
  };
  return pass(c.forward, hop(block, rates.inner), hop(block, rates.outer)) +
         pass(c.backward, hop(block, rates.inner) + hop(gradients, rates.inner), hop(block, rates.outer)) +
         (groups - 1) * std::max(0.0, hop(gradients, rates.outer) - c.backward / steps) + hop(gradients, rates.outer);
}

double token_ring_seconds(const Products& c, const Traffic& t, const SpreadLayer& layer, const LinkRates& link) {
  const auto pass = [&](double products, std::int64_t bytes, std::int64_t back, std::int64_t messages) {
    const auto all = static_cast<double>(bytes), returning = static_cast<double>(back);
    const double seconds = std::max(all / link.both_ways, std::max(returning, all - returning) / link.one_way);
    const double last = returning / (layer.ranks - 1) / link.one_way + link.latency;
    return hidden(products, seconds + static_cast<double>(messages) / 2 * link.latency, layer.ranks) + last;
  };
  return pass(c.forward, t.forward_bytes, t.forward_returning_bytes, t.forward_messages) +
         pass(c.backward, t.backward_bytes, t.backward_returning_bytes, t.backward_messages);
}

double all_to_all_seconds(double bytes, std::int64_t calls, const LinkRates& link) {
  return bytes / link.all_to_all + static_cast<double>(calls) * link.latency;
}

double ulysses_ring_seconds(const Products& c, const Traffic& t, const SpreadLayer& layer, const MachineRates& rates) {
  const HeadShare mine = head_share(layer.sizes.heads, layer.sizes.key_heads, layer.inner, 0);
  AttentionSizes local = layer.sizes;
  local.heads = mine.heads.size();
  local.key_heads = mine.key_heads.size();
  const int groups = layer.ranks / layer.inner;
  const SequenceShard shard(layer.shard, layer.length, layer.ranks, 0);
  const Traffic ring =
      most_traffic(*make_sequence_method("ring", groups, 1), local, layer.mask, shard.grouped(layer.inner));
  const auto exchanged =
      static_cast<double>(t.forward_bytes + t.backward_bytes - ring.forward_bytes - ring.backward_bytes);
  const std::int64_t calls = t.forward_messages + t.backward_messages - ring.forward_messages - ring.backward_messages;
  return all_to_all_seconds(exchanged, calls, rates.inner) +
         ring_seconds(c, ring, groups, rates.outer.one_way, rates.outer.latency);
}

double gathered_seconds(const Products& c, const Traffic& t, int ranks, const LinkRates& link) {
  const auto chunks = static_cast<double>(t.forward_messages);
  const auto chunk = [&](std::int64_t bytes) {
    return static_cast<double>(bytes) / chunks / link.one_way + (ranks - 1) * link.latency;
  };
  const double keys = chunk(t.forward_bytes), gradients = chunk(t.backward_bytes - t.forward_bytes);
  const double forward = c.forward / chunks, backward = c.backward / chunks;
  return keys + forward + (chunks - 1) * std::max(forward, keys) + keys + backward +
         (chunks - 1) * std::max(backward, keys + gradients) + gradients;
}

double edges_seconds(const Products& c, const Traffic& t, const LinkRates& link) {
  const auto pass = [&](double products, std::int64_t bytes, std::int64_t messages) {
    return std::max(products, static_cast<double>(bytes) / link.one_way + static_cast<double>(messages) * link.latency);
  };
  return pass(c.forward, t.forward_bytes, t.forward_messages) + pass(c.backward, t.backward_bytes, t.backward_messages);
}

Products products_of(const SequenceMethod& method, const SpreadLayer& layer, const SequenceShard& shard,
                     const MachineRates& rates) {
  double pairs = 0;
  for (int part = 0; part < shard.parts(); ++part) {
    pairs += static_cast<double>(visible_pairs(layer.mask, shard.runs(part), layer.length));
  }
  const std::vector<double> work = method.work(layer.sizes, layer.mask, shard);
  const double elements = *std::ranges::max_element(work) * pairs * static_cast<double>(layer.sizes.query_token());
  return {kForwardFlops * elements / rates.forward, kBackwardFlops * elements / rates.backward};
}

}  // namespace

int neighbours(const std::string& method, int ranks, std::int64_t key_heads) {
  return sequence_group(ranks, method == "double_ring" ? std::llround(std::sqrt(ranks)) : key_heads);
}

std::string obstacle(const std::string& method, const SpreadLayer& layer) {
  const int sharers = method == "ulysses" ? layer.ranks : method == "ulysses_ring" ? layer.inner : 1;
  if (sharers > layer.sizes.heads) return std::format("{} heads are too few for {} ranks", layer.sizes.heads, sharers);
  if (method == "window" && layer.mask.window == 0 && layer.ranks > 1) return "it needs a sliding window";
  return "";
}

double predict_seconds(const std::string& method, const SpreadLayer& layer, const MachineRates& rates) {
  const std::unique_ptr<SequenceMethod> spread = make_sequence_method(method, layer.ranks, layer.inner);
  const SequenceShard shard(layer.shard, layer.length, layer.ranks, 0);
  const Products c = products_of(*spread, layer, shard, rates);
  if (layer.ranks == 1) return c.forward + c.backward;
  const Traffic t = most_traffic(*spread, layer.sizes, layer.mask, shard);
  if (method == "bidirectional_ring") {
    return ring_seconds(c, t, layer.ranks, rates.all.both_ways, rates.all.latency);
  }
  if (method == "double_ring") return double_ring_seconds(c, t, layer, rates);
  if (method == "tokenring") return token_ring_seconds(c, t, layer, rates.all);
  if (method == "ulysses") {
    return c.forward + c.backward +
           all_to_all_seconds(static_cast<double>(t.forward_bytes + t.backward_bytes),
                              t.forward_messages + t.backward_messages, rates.all);
  }
  if (method == "ulysses_ring") return ulysses_ring_seconds(c, t, layer, rates);
  if (method == "allgather_kv") return gathered_seconds(c, t, layer.ranks, rates.all);
  if (method == "window") return edges_seconds(c, t, rates.all);
  return ring_seconds(c, t, layer.ranks, rates.all.one_way, rates.all.latency);
}

std::vector<MethodSeconds> rank_methods(const SpreadLayer& layer, const MachineRates& rates) {
  std::vector<MethodSeconds> all;
  for (const std::string& method : sequence_method_names()) {
    // Ring Self-Attention sends no less than the ring and keeps whole rows of scores: never the better choice.
    if (method.starts_with("rsa")) continue;
    if (obstacle(method, layer).empty()) all.push_back({method, predict_seconds(method, layer, rates)});
  }
  const double fastest = std::ranges::min(all, {}, &MethodSeconds::seconds).seconds;
  const auto simplest =
      std::ranges::find_if(all, [&](const MethodSeconds& m) { return m.seconds <= kAlike * fastest; });
  std::rotate(all.begin(), simplest, simplest + 1);
  std::stable_sort(all.begin() + 1, all.end(),
                   [](const MethodSeconds& a, const MethodSeconds& b) { return a.seconds < b.seconds; });
  return all;
}

}  // namespace longspan
