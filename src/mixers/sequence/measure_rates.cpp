#include "mixers/sequence/measure_rates.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/timer.hpp"
#include "comm/runtime.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kRows = 512;  // of the block of attention that is timed: several tiles each way
constexpr std::int64_t kLeastBytes = 1 << 14, kMostBytes = 1 << 22;  // of a message
constexpr int kRepeats = 5, kTag = 1;

double median_seconds(const std::function<void()>& body) {
  std::vector<double> seconds;
  for (int i = 0; i <= kRepeats; ++i) {
    const Timer timer;
    body();
    if (i > 0) seconds.push_back(timer.seconds());  // the first one makes plans and buffers
  }
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

// One block of `kRows` queries that see as many keys.
void measure_products(const SpreadLayer& layer, MachineRates& rates) {
  const AttentionSizes& s = layer.sizes;
  const std::int64_t rows = std::min(kRows, layer.length);
  const Dtype sums = accumulation_dtype(s.dtype);
  const Shape queries{1, s.heads, rows, s.head_width}, statistics{1, s.heads, rows};
  const Tensor q = Tensor::zeros(queries, s.dtype), dout = Tensor::zeros(queries, s.dtype);
  const Tensor kv = Tensor::zeros({2, s.key_heads, rows, s.head_width}, s.dtype), o = Tensor::zeros(queries, s.dtype);
  const Tensor dq = Tensor::zeros(queries, sums), dkv = Tensor::zeros(kv.shape(), sums);
  const Tensor lse = Tensor::zeros(statistics, sums), delta = Tensor::zeros(statistics, sums);
  ops::AttentionRules rules;
  rules.query_runs = {{.row = 0, .first = 0, .count = rows}};
  rules.visible_begin = Indices(std::vector<std::int32_t>(static_cast<std::size_t>(rows)), {1, rows});
  rules.visible_end =
      Indices(std::vector<std::int32_t>(static_cast<std::size_t>(rows), static_cast<std::int32_t>(rows)), {1, rows});
  const double elements = static_cast<double>(rows * rows * s.heads * s.head_width);
  rates.forward = 4 * elements / median_seconds([&] {
                    const ops::AttentionState state = ops::make_attention_state(q);
                    ops::attention_visit(rules, q, keys(kv), values(kv), rules.query_runs, state);
                    ops::attention_finish(state, o, lse);
                    device::fence();
                  });
  rates.backward = 10 * elements / median_seconds([&] {
                     ops::attention_visit_backward(rules, q, keys(kv), values(kv), rules.query_runs, lse, dout, delta,
                                                   dq, keys(dkv), values(dkv));
                     device::fence();
                   });
}

// Seconds until this rank has sent to each of `to` and received from each of `from`, all ranks at once.
double exchange_seconds(const Comm& group, const Tensor& out, const std::vector<int>& to, const Tensor& in,
                        const std::vector<int>& from) {
  const std::int64_t part = out.size() / static_cast<std::int64_t>(to.size());
  return median_seconds([&] {
    std::vector<Request> requests;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const Tensor block = in.slice(static_cast<std::int64_t>(i) * part, part);
      requests.push_back(group.receive_async(block, from[i], kTag + static_cast<int>(i)));
    }
    for (std::size_t i = 0; i < to.size(); ++i) {
      const Tensor block = out.slice(static_cast<std::int64_t>(i) * part, part);
      requests.push_back(group.send_async(block, to[i], kTag + static_cast<int>(i)));
    }
    for (Request& r : requests) r.wait();
  });
}

// Under a name of its own: a run's counters show what the run sends.
Comm apart(const Comm& group) { return group.split("measurement", 0, group.rank()); }

}  // namespace

LinkRates measure_links(const Comm& axis, std::int64_t bytes) {
  LinkRates rates;
  const int ranks = axis.size(), me = axis.rank();
  if (ranks == 1) return rates;
  const Comm group = apart(axis);
  const std::int64_t parts = 2 * (ranks - 1), elements = (bytes / 4 + parts - 1) / parts * parts;
  const Tensor out = Tensor::zeros({elements}, Dtype::float32), in = Tensor::zeros({elements}, Dtype::float32);
  const int next = (me + 1) % ranks, previous = (me + ranks - 1) % ranks;
  std::vector<int> after, before;
  for (int d = 1; d < ranks; ++d) {
    after.push_back((me + d) % ranks);
    before.push_back((me + ranks - d) % ranks);
  }
  const Tensor word_out = out.slice(0, 1), word_in = in.slice(0, 1);
  group.barrier();
  rates.latency = exchange_seconds(group, word_out, {next}, word_in, {previous});
  const auto rate = [&](const std::vector<int>& to, const std::vector<int>& from) {
    const double seconds = exchange_seconds(group, out, to, in, from);
    return static_cast<double>(out.bytes()) / std::max(seconds - rates.latency, 0.1 * seconds);
  };
  rates.one_way = rate({next}, {previous});
  rates.both_ways = rate({next, previous}, {previous, next});
  rates.all_to_all = rate(after, before);
  return rates;
}

MachineRates measure_rates(const SpreadLayer& layer, const SequenceAxes& axes) {
  MachineRates rates;
  const Comm all = apart(axes.all);
  all.barrier();
  if (one_of_the_cores()) measure_products(layer, rates);
  const std::int64_t block = layer.sizes.key_value_token() * layer.length / layer.ranks * layer.sizes.element();
  const std::int64_t bytes = std::clamp(block, kLeastBytes, kMostBytes);
  rates.all = measure_links(axes.all, bytes);
  rates.inner = measure_links(axes.inner, bytes);
  rates.outer = measure_links(axes.outer, bytes);
  for (double* rate : {&rates.forward, &rates.backward}) *rate = all.all_gather_value(*rate)[0];
  for (LinkRates* link : {&rates.all, &rates.inner, &rates.outer}) {
    for (double* value : {&link->latency, &link->one_way, &link->both_ways, &link->all_to_all}) {
      *value = all.all_gather_value(*value)[0];
    }
  }
  return rates;
}

}  // namespace longspan
