#include "data/tasks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "tensor/random.hpp"

namespace longspan {
namespace {

// The random numbers of one sequence.
class Draws {
 public:
  Draws(std::uint64_t key, std::int64_t sequence) : key_(key), sequence_(static_cast<std::uint64_t>(sequence)) {}

  double uniform() { return uniform_double(key_, count_++, sequence_); }  // in (0, 1)
  // In [first, end).
  std::int32_t among(std::int64_t first, std::int64_t end) {
    return static_cast<std::int32_t>(
        first + std::min(end - first - 1, static_cast<std::int64_t>(uniform() * static_cast<double>(end - first))));
  }
  // `count` different numbers of [first, end): a shuffle that stops early.
  std::vector<std::int32_t> different(std::int64_t count, std::int64_t first, std::int64_t end) {
    std::vector<std::int32_t> all(static_cast<std::size_t>(end - first));
    std::iota(all.begin(), all.end(), static_cast<std::int32_t>(first));
    for (std::int64_t i = 0; i < count; ++i) {
      std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(among(i, end - first))]);
    }
    all.resize(static_cast<std::size_t>(count));
    return all;
  }

 private:
  std::uint64_t key_, count_ = 0, sequence_;
};

Sequence blank(std::int64_t length) {
  const auto size = static_cast<std::size_t>(length);
  return {.tokens = std::vector<std::int32_t>(size, 0), .targets = std::vector<std::int32_t>(size, kNoTarget)};
}

// Slots j = 1.. of the query region, without replacement with p_j ~ j^(a - 1), a = 0.01: the smallest of exponential
// times with rates p_j.
std::vector<std::int64_t> draw_gaps(Draws& draws, std::int64_t pairs, std::int64_t slots) {
  std::vector<double> times;
  for (std::int64_t j = 1; j <= slots; ++j) {
    times.push_back(-std::log(draws.uniform()) * std::pow(static_cast<double>(j), 0.99));
  }
  std::vector<std::int64_t> order(times.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int64_t j) { return times[static_cast<std::size_t>(j)]; });
  order.resize(static_cast<std::size_t>(pairs));
  return order;
}

Sequence mqar(const TaskConfig& c, std::int64_t length, Draws& draws) {
  Sequence s = blank(length);
  const std::vector<std::int32_t> keys = draws.different(c.pairs, 1, c.vocabulary / 2);
  const std::vector<std::int32_t> values = draws.different(c.pairs, c.vocabulary / 2, c.vocabulary);
  const std::int64_t context = 2 * c.pairs;
  const std::vector<std::int64_t> gaps = draw_gaps(draws, c.pairs, (length - context) / 2);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    s.tokens[2 * i] = keys[i];
    s.tokens[2 * i + 1] = values[i];
    const auto query = static_cast<std::size_t>(context + 2 * gaps[i]);
    s.tokens[query] = keys[i];
    s.targets[query] = values[i];
  }
  return s;
}

Sequence induction(const TaskConfig& c, std::int64_t length, Draws& draws) {
  Sequence s = blank(length);
  for (std::int32_t& token : s.tokens) token = draws.among(1, c.vocabulary);
  const auto special = static_cast<std::size_t>(draws.among(0, length - 2));
  s.tokens[special] = s.tokens.back() = 0;
  s.targets.back() = s.tokens[special + 1];
  return s;
}

Sequence copy(const TaskConfig& c, std::int64_t length, Draws& draws) {
  Sequence s = blank(length);
  const std::int64_t memory = length - c.items;
  std::vector<std::int32_t> places = draws.different(c.items, 0, memory);
  std::ranges::sort(places);
  for (std::int64_t i = 0; i < c.items; ++i) {
    const std::int32_t item = draws.among(1, c.vocabulary - 1);
    s.tokens[static_cast<std::size_t>(places[static_cast<std::size_t>(i)])] = item;
    s.tokens[static_cast<std::size_t>(memory + i)] = static_cast<std::int32_t>(c.vocabulary - 1);
    s.targets[static_cast<std::size_t>(memory + i)] = item;
  }
  return s;
}

Sequence parity(const TaskConfig&, std::int64_t length, Draws& draws) {
  Sequence s = blank(length);
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < s.tokens.size(); ++i) {
    s.tokens[i] = draws.among(0, 2);
    s.targets[i] = sum ^= s.tokens[i];
  }
  return s;
}

Sequence modular(const TaskConfig& c, std::int64_t length, Draws& draws) {
  Sequence s = blank(length);
  const std::int64_t m = c.modulus;
  std::int64_t value = 0, sign = m;  // 0 + ... at the beginning
  for (std::size_t i = 0; i < s.tokens.size(); ++i) {
    if (i % 2 == 1) {
      s.tokens[i] = draws.among(m, m + 3);
      sign = s.tokens[i];
      continue;
    }
    const std::int64_t digit = s.tokens[i] = draws.among(0, m);
    value = (sign == m ? value + digit : sign == m + 1 ? value + m - digit : value * digit) % m;
    s.targets[i] = static_cast<std::int32_t>(value);
  }
  return s;
}

Sequence noise(const TaskConfig& c, std::int64_t length, Draws& draws) {
  Sequence s = blank(length);
  std::int32_t next = draws.among(0, c.vocabulary);
  for (std::size_t i = 0; i < s.tokens.size(); ++i) {
    s.tokens[i] = next;
    s.targets[i] = next = draws.among(0, c.vocabulary);
  }
  return s;
}

using Permutation = std::array<int, 5>;

const std::vector<Permutation>& permutations() {
  static const std::vector<Permutation> all = [] {
    std::vector<Permutation> list;
    Permutation p{0, 1, 2, 3, 4};
    do list.push_back(p);
    while (std::ranges::next_permutation(p).found);
    return list;
  }();
  return all;
}

Sequence s5(const TaskConfig&, std::int64_t length, Draws& draws) {
  Sequence s = blank(length);
  Permutation product{0, 1, 2, 3, 4};
  for (std::size_t i = 0; i < s.tokens.size(); ++i) {
    s.tokens[i] = draws.among(0, 120);
    const Permutation& next = permutations()[static_cast<std::size_t>(s.tokens[i])];
    for (int& place : product) place = next[static_cast<std::size_t>(place)];
    s.targets[i] =
        static_cast<std::int32_t>(std::ranges::lower_bound(permutations(), product) - permutations().begin());
  }
  return s;
}

using Make = Sequence (*)(const TaskConfig&, std::int64_t, Draws&);

struct Task {
  Make make;
  std::int64_t (*vocabulary)(const TaskConfig&);
  bool running;  // a result at every step, of which task.answers chooses
};

std::int64_t given_vocabulary(const TaskConfig& c) { return c.vocabulary; }

const Task& find(const std::string& name) {
  static const std::map<std::string, Task> tasks = {
      {"mqar", {mqar, given_vocabulary, false}},
      {"induction", {induction, given_vocabulary, false}},
      {"copy", {copy, given_vocabulary, false}},
      {"noise", {noise, given_vocabulary, false}},
      {"parity", {parity, [](const TaskConfig&) -> std::int64_t { return 2; }, true}},
      {"modular", {modular, [](const TaskConfig& c) { return c.modulus + 3; }, true}},
      {"s5", {s5, [](const TaskConfig&) -> std::int64_t { return 120; }, true}},
  };
  const auto found = tasks.find(name);
  LONGSPAN_CHECK(found != tasks.end(), "[tasks] unknown task {}", name);
  return found->second;
}

class TaskSequences : public SequenceSource {
 public:
  TaskSequences(const Task& task, const TaskConfig& config, std::int64_t length, std::uint64_t seed)
      : task_(task), config_(config), length_(length), seed_(seed) {}

  std::int64_t vocabulary() const override { return task_.vocabulary(config_); }
  std::int64_t length() const override { return length_; }
  Sequence training(std::int64_t i) const override { return make(hash_name("task training", seed_), i); }
  Sequence validation(std::int64_t i) const override { return make(hash_name("task validation", seed_), i); }
  std::int64_t validation_count() const override { return std::numeric_limits<std::int64_t>::max(); }

 private:
  Sequence make(std::uint64_t key, std::int64_t i) const {
    Draws draws(key, i);
    Sequence s = task_.make(config_, length_, draws);
    if (task_.running && config_.answers == "last") keep_last(s.targets);
    return s;
  }

  static void keep_last(std::vector<std::int32_t>& targets) {
    const auto last = std::ranges::find_if(targets.rbegin(), targets.rend(), [](auto t) { return t != kNoTarget; });
    std::fill(last == targets.rend() ? targets.end() : targets.begin(),
              last == targets.rend() ? targets.end() : last.base() - 1, kNoTarget);
  }

  const Task& task_;
  TaskConfig config_;
  std::int64_t length_;
  std::uint64_t seed_;
};

}  // namespace

std::unique_ptr<SequenceSource> make_task(const std::string& task, const TaskConfig& config, std::int64_t length,
                                          std::uint64_t seed) {
  return std::make_unique<TaskSequences>(find(task), config, length, seed);
}

}  // namespace longspan
