#include "checkpoint/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <format>
#include <map>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/checksum.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr std::int64_t kPieceBytes = 16 << 20;  // of each file, compared at once

using Datasets = std::map<std::string, DatasetInfo>;

Datasets by_name(const CheckpointInfo& info) {
  Datasets datasets;
  for (const auto& dataset : info.datasets) datasets[dataset.name] = dataset;
  return datasets;
}

// Largest differences of two tensors of equal shape.
struct Distance {
  double absolute = 0, relative = 0;  // relative to the larger magnitude of the two
  std::int64_t different = 0, elements = 0;

  void add(double a, double b) {
    ++elements;
    if (a == b || (std::isnan(a) && std::isnan(b))) return;
    ++different;
    const double d = std::abs(a - b);
    absolute = std::isnan(d) ? INFINITY : std::max(absolute, d);
    relative = std::isnan(d) ? INFINITY : std::max(relative, d / std::max(std::abs(a), std::abs(b)));
  }
};

std::vector<double> read_doubles(hid_t dataset, std::int64_t first, std::int64_t count, const std::string& path) {
  auto values = read_part(dataset, 0, {{.first = first, .count = count}}, path);
  std::vector<double> doubles;
  if (!hdf5::has_attribute(dataset, "dtype")) {  // bytes
    for (const std::byte value : values) doubles.push_back(std::to_integer<int>(value));
    return doubles;
  }
  values = convert(std::move(values), stored_dtype(dataset, path), Dtype::float64);
  doubles.resize(values.size() / sizeof(double));
  std::memcpy(doubles.data(), values.data(), values.size());
  return doubles;
}

Distance distance(const Handle& one, const Handle& other, const DatasetInfo& info, const std::string& path_one,
                  const std::string& path_other) {
  Distance distance;
  const Handle a = hdf5::open_dataset(one, info.name, path_one), b = hdf5::open_dataset(other, info.name, path_other);
  const std::int64_t rows = rows_of(a), row_bytes = std::max<std::int64_t>(1, rows > 0 ? info.bytes / rows : 1);
  const std::int64_t piece = std::max<std::int64_t>(1, kPieceBytes / row_bytes);
  for (std::int64_t first = 0; first < rows; first += piece) {
    const std::int64_t count = std::min(piece, rows - first);
    const auto x = read_doubles(a, first, count, path_one), y = read_doubles(b, first, count, path_other);
    for (std::size_t i = 0; i < x.size(); ++i) distance.add(x[i], y[i]);
  }
  return distance;
}

std::string dims_text(const DatasetInfo& info) {
  std::string text;
  for (const std::int64_t n : info.dims) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

// The counts of a run, which are no tensors.
std::string compare_counts(const TrainState& a, const TrainState& b) {
  std::string lines;
  const auto line = [&](const char* name, std::int64_t x, std::int64_t y) {
    if (x != y) lines += std::format("  {:<16} {} and {}\n", name, x, y);
  };
  line("step", a.step, b.step);
  line("tokens", a.tokens, b.tokens);
  line("next_sequence", a.next_sequence, b.next_sequence);
  line("seed", static_cast<std::int64_t>(a.seed), static_cast<std::int64_t>(b.seed));
  line("vocabulary", a.vocabulary, b.vocabulary);
  if (a.tokenizer != b.tokenizer) lines += std::format("  {:<16} {} and {}\n", "tokenizer", a.tokenizer, b.tokenizer);
  return lines;
}

}  // namespace

Comparison compare_checkpoints(const std::string& one, const std::string& other) {
  const CheckpointInfo a = read_checkpoint_info(one), b = read_checkpoint_info(other);
  const Handle file_a = hdf5::open_file(one, "checkpoint"), file_b = hdf5::open_file(other, "checkpoint");
  const Datasets first = by_name(a), second = by_name(b);
  Comparison result{.report = compare_counts(a.state, b.state)};
  std::int64_t same = 0, different = 0;
  const auto differs = [&](const std::string& name, const std::string& how) {
    result.report += std::format("  {}  {}\n", name, how);
    ++different;
  };
  for (const auto& [name, info] : first) {
    const auto found = second.find(name);
    if (found == second.end()) {
      differs(name, "only in " + one);
    } else if (found->second.dims != info.dims) {
      differs(name, dims_text(info) + " and " + dims_text(found->second));
    } else {
      const Distance d = distance(file_a, file_b, info, one, other);
      const bool types = info.dtype != found->second.dtype;
      std::string how = types ? std::format("{} and {}", info.dtype, found->second.dtype) : "";
      if (d.different > 0) {
        how += std::format("{}{} of {} elements differ, at most by {:.3g}, relative {:.3g}", types ? "; " : "",
                           d.different, d.elements, d.absolute, d.relative);
      }
      how.empty() ? static_cast<void>(++same) : differs(name, how);
    }
  }
  for (const auto& [name, info] : second) {
    if (!first.contains(name)) differs(name, "only in " + other);
  }
  result.equal = result.report.empty();
  result.report += std::format("{} datasets are equal, {} differ\n", same, different);
  return result;
}

}  // namespace longspan
