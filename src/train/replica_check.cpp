#include "train/replica_check.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/checksum.hpp"
#include "comm/together.hpp"
#include "layout/zero.hpp"

namespace longspan {
namespace {

std::int64_t checksum_of(const Tensor& t) {
  std::vector<std::byte> bytes(t.bytes());
  t.copy_to_host(bytes.data());
  return static_cast<std::int64_t>(sum_of_elements(bytes.data(), size_of(t.dtype()), 0, t.size()));
}

std::string numbers(const std::vector<int>& ranks) {
  std::string text;
  for (const int rank : ranks) text += (text.empty() ? "" : ", ") + std::to_string(rank);
  return text;
}

// Ranks of the world by checksum, as a sentence: those in the minority are the suspects.
std::string complaint(const std::string& name, const std::map<std::int64_t, std::vector<int>>& holders,
                      std::int64_t step) {
  std::vector<std::vector<int>> groups;
  for (const auto& [sum, ranks] : holders) groups.push_back(ranks);
  std::ranges::stable_sort(groups, {}, [](const std::vector<int>& ranks) { return ranks.size(); });
  std::string text = std::format("after step {} the parameter {} of rank {}", step, name, numbers(groups.front()));
  for (std::size_t i = 1; i < groups.size(); ++i) {
    text += std::format("{} that of rank {}", i == 1 ? " differs from" : " and from", numbers(groups[i]));
  }
  return text +
         ", though all must hold the same: memory or network of a node is damaged; go on from the last checkpoint "
         "on other nodes";
}

// What is wrong with these parameters among the ranks of a group; empty: nothing. Collective over the group.
std::string compare(const Comm& group, const Comm& world, const std::vector<const Parameter*>& parameters,
                    std::int64_t step) {
  if (group.size() == 1 || parameters.empty()) return "";
  std::vector<std::int64_t> sums = {world.rank()};
  for (const Parameter* p : parameters) sums.push_back(checksum_of(p->value()));
  const auto row = static_cast<std::int64_t>(sums.size());
  const Tensor mine = Tensor::from_host(sums, {1, row}, Memory::communication, "checksums");
  const Tensor all = Tensor::empty({group.size(), row}, Dtype::int64, Memory::communication, "checksums");
  group.all_gather(mine, all, std::vector<std::int64_t>(static_cast<std::size_t>(group.size()), 1));
  const auto gathered = all.to_host<std::int64_t>();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::map<std::int64_t, std::vector<int>> holders;
    for (int rank = 0; rank < group.size(); ++rank) {
      const auto of_rank = gathered.begin() + rank * row;
      holders[of_rank[static_cast<std::ptrdiff_t>(i) + 1]].push_back(static_cast<int>(of_rank[0]));
    }
    if (holders.size() > 1) return complaint(parameters[i]->info().name, holders, step);
  }
  return "";
}

}  // namespace

void check_replicas(const Mesh& mesh, const ParameterStore& store, std::int64_t step) {
  if (shards_values(store.zero())) return;
  const auto those = [&](const std::function<bool(const ParameterInfo&)>& wanted) {
    std::vector<const Parameter*> found;
    for (const auto& p : store.all()) {
      if (wanted(p->info()) && p->local_shape().size() > 0) found.push_back(p.get());
    }
    return found;
  };
  std::vector<std::string> complaints;
  for (const std::optional<Axis> axis :
       {std::optional<Axis>(), std::optional(Axis::tensor), std::optional(Axis::sequence)}) {
    const auto split_so = [axis](const ParameterInfo& p) { return p.shard.split_axis() == axis; };
    complaints.push_back(compare(mesh.holders(axis), mesh.world(), those(split_so), step));
  }
  complaints.push_back(compare(mesh.ends(), mesh.world(), those([](const ParameterInfo& p) { return p.tied; }), step));
  together(mesh.world(), [&] {
    for (const std::string& text : complaints) {
      if (!text.empty()) throw EnvironmentError("{}", text);
    }
  });
}

}  // namespace longspan
