#include "train/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace longspan {

std::int32_t sample_token(const std::vector<double>& logits, const GenerateConfig& config, double uniform) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto likelier = [&logits](std::int32_t a, std::int32_t b) {
    const double za = logits[static_cast<std::size_t>(a)], zb = logits[static_cast<std::size_t>(b)];
    return za != zb ? za > zb : a < b;
  };
  std::sort(order.begin(), order.end(), likelier);
  if (config.temperature == 0) return order[0];
  if (config.top_k > 0 && config.top_k < static_cast<std::int64_t>(order.size())) {
    order.resize(static_cast<std::size_t>(config.top_k));
  }
  const double top = logits[static_cast<std::size_t>(order[0])];
  std::vector<double> weights;
  for (const std::int32_t token : order) {
    weights.push_back(std::exp((logits[static_cast<std::size_t>(token)] - top) / config.temperature));
  }
  double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (config.top_p < 1) {
    double held = 0;
    std::size_t kept = 0;
    while (kept < weights.size() && held < config.top_p * total) held += weights[kept++];
    weights.resize(kept);
    total = held;
  }
  double left = uniform * total;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return order[i];
  }
  return order[weights.size() - 1];
}

}  // namespace longspan
