#include "train/sequence_benchmark.hpp"

#include <algorithm>
#include <format>

#include "base/error.hpp"
#include "comm/delay.hpp"
#include "config/value_text.hpp"
#include "train/attention_trial.hpp"
#include "train/session.hpp"

namespace longspan {
namespace {

std::vector<std::int64_t> numbers_of(const char* key, const std::string& list) {
  std::vector<std::int64_t> numbers;
  for (const std::string& word : split_list(list)) {
    const auto number = parse_integer(word);
    if (!number || *number < 1) {
      throw UserError("{} = '{}' is no list of whole numbers above 0; write them as 1,2,4", key, list);
    }
    numbers.push_back(*number);
  }
  return numbers;
}

void at_least(const char* key, std::int64_t value, std::int64_t lowest) {
  if (value < lowest) throw UserError("{} = {} is too small; use {} or more", key, value, lowest);
}

struct Case {
  std::string method;
  SpreadLayer layer;
};

SpreadLayer layer_of(const SequenceBenchmarkConfig& c, const std::string& method, std::int64_t length, int ranks) {
  const std::int64_t key_heads = c.kv_heads > 0 ? c.kv_heads : c.heads;
  SpreadLayer layer{.sizes = {c.batch, c.heads, key_heads, c.head_width, parse_float_dtype(c.dtype, "bench.dtype")},
                    .mask = {.causal = c.causal, .window = c.window},
                    .shard = shard_kind(c.shard),
                    .length = length,
                    .ranks = ranks,
                    .inner = static_cast<int>(c.inner)};
  if (layer.inner == 0) layer.inner = neighbours(method, ranks, key_heads);
  if (ranks % layer.inner != 0) {
    throw UserError("bench.inner = {} does not divide {} ranks; use a divisor, or 0 to have one chosen", layer.inner,
                    ranks);
  }
  return layer;
}

// Of the methods that are named all must be able to run; "all" are those that can.
std::vector<Case> cases_of(const SequenceBenchmarkConfig& c, int started) {
  at_least("bench.heads", c.heads, 1);
  at_least("bench.kv_heads", c.kv_heads, 0);
  at_least("bench.head_width", c.head_width, 1);
  at_least("bench.batch", c.batch, 1);
  at_least("bench.window", c.window, 0);
  at_least("bench.inner", c.inner, 0);
  at_least("bench.repeats", c.repeats, 1);
  if (c.kv_heads > 0 && c.heads % c.kv_heads != 0) {
    throw UserError("bench.heads = {} cannot share bench.kv_heads = {} evenly; use a divisor of {}", c.heads,
                    c.kv_heads, c.heads);
  }
  const bool all = c.methods == "all";
  std::vector<Case> cases;
  const std::vector<std::string>& known = sequence_method_names();
  for (const std::string& method : all ? known : split_list(c.methods)) {
    if (std::ranges::find(known, method) == known.end()) {
      throw UserError("bench.methods names '{}', which is no method; use all, or some of: {}", method, listed(known));
    }
    for (const std::int64_t ranks : numbers_of("bench.ranks", c.ranks.empty() ? std::to_string(started) : c.ranks)) {
      if (ranks > started) {
        throw UserError("bench.ranks asks for {} ranks, but {} were started; start more with mpirun -n {}", ranks,
                        started, ranks);
      }
      for (const std::int64_t length : numbers_of("bench.lengths", c.lengths)) {
        const Case one{method, layer_of(c, method, length, static_cast<int>(ranks))};
        const std::string why = obstacle(method, one.layer);
        if (!why.empty() && !all) throw UserError("bench.methods: {} cannot run: {}; leave it out", method, why);
        if (why.empty()) cases.push_back(one);
      }
    }
  }
  return cases;
}

// Runs body(case, group) over the first ranks of the world, as many as the case has; the others wait.
template <class Body>
void for_cases(const SequenceBenchmarkConfig& config, const Comm& world, const Body& body) {
  const std::vector<Case> cases = cases_of(config, world.size());
  set_message_delay(config.message_delay);
  for (const Case& one : cases) {
    const bool mine = world.rank() < one.layer.ranks;
    const Comm group = world.split("benchmark", mine ? 0 : 1, world.rank());
    if (mine) body(one, group);
    world.barrier();
  }
  set_message_delay(0);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Of the slowest rank.
PassSeconds slowest(const Comm& group, const PassSeconds& mine) {
  return {group.all_reduce_value(mine.forward, Reduce::max), group.all_reduce_value(mine.backward, Reduce::max)};
}

std::vector<ResultTable::Cell> measure(const Case& one, const Comm& group, std::int64_t repeats) {
  const AttentionTrial trial(one.method, one.layer, group);
  trial.time(AttentionTrial::Part::whole);
  std::vector<double> forward, backward, products, messages, exposed, ratio, own;
  for (std::int64_t i = 0; i < repeats; ++i) {
    const PassSeconds whole = slowest(group, trial.time(AttentionTrial::Part::whole));
    const PassSeconds alone = trial.time(AttentionTrial::Part::products);
    const double c = slowest(group, alone).sum();
    const double m = slowest(group, trial.time(AttentionTrial::Part::messages)).sum();
    forward.push_back(whole.forward);
    backward.push_back(whole.backward);
    products.push_back(c);
    messages.push_back(m);
    exposed.push_back(whole.sum() - c);
    ratio.push_back(whole.sum() / std::max(c, m));
    own.push_back(alone.sum());
  }
  const auto most = [&group](auto value) { return group.all_reduce_value(value, Reduce::max); };
  const double mine = median(own), all = group.all_reduce_value(mine);
  const Traffic& t = trial.counted();
  return {{"method", "1", one.method},
          {"ranks", "1", std::int64_t{one.layer.ranks}},
          {"inner", "1", std::int64_t{one.layer.inner}},
          {"length", "token", one.layer.length},
          {"forward", "s", median(forward)},
          {"backward", "s", median(backward)},
          {"products", "s", median(products)},
          {"messages", "s", median(messages)},
          {"exposed", "s", median(exposed)},
          {"ratio", "1", median(ratio)},
          {"work_balance", "1", most(trial.work()) * one.layer.ranks},
          {"time_balance", "1", most(mine) * one.layer.ranks / all},
          {"forward_bytes", "byte", most(t.forward_bytes)},
          {"backward_bytes", "byte", most(t.backward_bytes)},
          {"forward_messages", "1", most(t.forward_messages)},
          {"backward_messages", "1", most(t.backward_messages)},
          {"peak_bytes", "byte", most(trial.peak_bytes())}};
}

// One pass of all ranks together, and whether every rank's own numbers agree.
std::string compare(const char* pass, std::int64_t bytes, std::int64_t messages, std::int64_t closed_bytes,
                    std::int64_t closed_messages, const Comm& group, bool& equal) {
  const auto sum = [&group](std::int64_t value) { return group.all_reduce_value(value); };
  const std::int64_t off = sum(std::abs(bytes - closed_bytes)) + sum(std::abs(messages - closed_messages));
  equal = equal && off == 0;
  const std::string counted = std::format("{} {} B in {} messages", pass, sum(bytes), sum(messages));
  const std::string closed = std::format("{} B in {}", sum(closed_bytes), sum(closed_messages));
  return off == 0 ? counted + ": equal" : counted + ", closed form " + closed + ": DIFFERENT";
}

std::string compare(const Case& one, const Comm& group, bool& equal) {
  const AttentionTrial trial(one.method, one.layer, group);
  trial.time(AttentionTrial::Part::whole);
  const Traffic a = trial.counted(), b = trial.closed_form();
  const std::string forward =
      compare("forward", a.forward_bytes, a.forward_messages, b.forward_bytes, b.forward_messages, group, equal);
  const std::string backward =
      compare("backward", a.backward_bytes, a.backward_messages, b.backward_bytes, b.backward_messages, group, equal);
  return std::format("{:<18} {:>3} ranks {:>8} tokens   {};  {}\n", one.method, one.layer.ranks, one.layer.length,
                     forward, backward);
}

}  // namespace

void bind(Options& options, SequenceBenchmarkConfig& config) {
  options
      .add("bench.methods", config.methods, "Methods of parallel.sequence_method, as a,b,c; all: those that can run.")
      .add("bench.ranks", config.ranks,
           "Numbers of ranks, as 1,2,4, up to those that were started; empty: all of them.")
      .add("bench.lengths", config.lengths, "Tokens of a sequence, as 1024,4096.")
      .add("bench.heads", config.heads, "Query heads.")
      .add("bench.kv_heads", config.kv_heads, "Heads of keys and values; 0: as many as query heads.")
      .add("bench.head_width", config.head_width, "Elements of a head.")
      .add("bench.batch", config.batch, "Sequences.")
      .add("bench.causal", config.causal, "A query sees no later key.")
      .add("bench.window", config.window, "Keys that a query sees; 0: no window.")
      .add_choice("bench.shard", config.shard, {"contiguous", "zigzag", "striped"}, "Which positions a rank holds.")
      .add("bench.inner", config.inner, "Neighbours of ulysses_ring and double_ring; 0: chosen.")
      .add_choice("bench.dtype", config.dtype, {"float64", "float32", "bfloat16"}, "Precision of the inputs.")
      .add("bench.repeats", config.repeats, "Timed runs; the median counts.")
      .add_seconds("bench.message_delay", config.message_delay,
                   "Every message starts so much later than it was asked for (1ms, 200us).")
      .add("bench.output", config.output, "HDF5 file for the table; empty: none.");
}

ResultTable benchmark_sequence(const SequenceBenchmarkConfig& config, const Comm& world) {
  ResultTable table;
  for_cases(config, world, [&](const Case& one, const Comm& group) { table.add(measure(one, group, config.repeats)); });
  return table;
}

TrafficProof explain_traffic(const SequenceBenchmarkConfig& config, const Comm& world) {
  TrafficProof proof;
  for_cases(config, world, [&](const Case& one, const Comm& group) { proof.text += compare(one, group, proof.equal); });
  proof.equal = world.all_reduce_value(std::int64_t{proof.equal}, Reduce::min) == 1;
  return proof;
}

}  // namespace longspan
