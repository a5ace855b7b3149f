#include "layout/stages.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace longspan {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Cut {
  double value = kInfinity;
  std::vector<Range> ranges;
};

// The cut of n layers into chunks of at least one layer whose value is least: value = join(value of the chunks before,
// cost of the last one), from 0.
Cut best_cut(int layers, int chunks, const std::function<double(int chunk, int begin, int end)>& cost,
             const std::function<double(double before, double cost)>& join) {
  // best[c][n]: the first n layers in c chunks; from[c][n]: where the last of these begins.
  std::vector<std::vector<double>> best(chunks + 1, std::vector<double>(layers + 1, kInfinity));
  std::vector<std::vector<int>> from(chunks + 1, std::vector<int>(layers + 1, 0));
  best[0][0] = 0;
  for (int c = 1; c <= chunks; ++c) {
    for (int end = c; end <= layers; ++end) {
      for (int begin = c - 1; begin < end; ++begin) {
        const double value = join(best[c - 1][begin], cost(c - 1, begin, end));
        if (value >= best[c][end]) continue;
        best[c][end] = value;
        from[c][end] = begin;
      }
    }
  }
  Cut cut{best[chunks][layers], std::vector<Range>(chunks)};
  for (int c = chunks, end = layers; c > 0; end = from[c][end], --c) cut.ranges[c - 1] = {from[c][end], end};
  return cut;
}

}  // namespace

ModelSplit one_chunk(std::int64_t layers) { return {{0}, {{0, layers}}}; }

std::vector<Range> split_by_cost(const std::vector<double>& costs, double first, double last, int chunks) {
  const auto layers = static_cast<int>(costs.size());
  std::vector<double> before(layers + 1, 0);  // cost of the layers before one
  for (int i = 0; i < layers; ++i) before[i + 1] = before[i] + costs[i];
  const auto cost = [&](int chunk, int begin, int end) {
    return before[end] - before[begin] + (chunk == 0 ? first : 0) + (chunk == chunks - 1 ? last : 0);
  };
  const double least =
      best_cut(layers, chunks, cost, [](double head, double chunk) { return std::max(head, chunk); }).value;
  // A hair of room: the sums' rounding depends on where they begin.
  const double limit = least * (1 + 1e-12);
  return best_cut(layers, chunks, cost,
                  [&](double head, double chunk) { return chunk > limit ? kInfinity : head + chunk * chunk; })
      .ranges;
}

std::vector<Range> split_by_sizes(const std::vector<std::int64_t>& sizes) {
  std::vector<Range> ranges;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    ranges.push_back({begin, begin + size});
    begin += size;
  }
  return ranges;
}

}  // namespace longspan
