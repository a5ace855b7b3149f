#include "checkpoint/own_parts.hpp"

#include <algorithm>
#include <unordered_map>

namespace longspan {

std::vector<CheckpointArray> checkpoint_arrays(const ParameterStore& store, const Optimizer* optimizer) {
  std::vector<CheckpointArray> arrays = {{"model", store.values(), shards_values(store.zero())}};
  if (optimizer == nullptr) return arrays;
  for (const auto& state : optimizer->states()) arrays.push_back({"optimizer/" + state.name, state.flat, true});
  return arrays;
}

TensorPart tensor_part(const Shape& logical, const ParameterShard& shard, const std::vector<PositionRun>& runs) {
  const int dim = std::max(0, shard.dim);
  TensorPart part{.extent = logical[dim], .runs = runs};
  for (int i = 0; i < dim; ++i) part.outer *= logical[i];
  for (int i = dim + 1; i < logical.rank(); ++i) part.inner *= logical[i];
  return part;
}

namespace {

// Of the ranks of one stage that own the same elements of a parameter: which one this is.
Holder owner_of(const Parameter& p, const ParameterStore& store) {
  if (shards_states(store.zero())) return {};
  return holder_of(p.info().shard.split_axis(), store.mesh(), store.at());
}

}  // namespace

std::vector<OwnPart> own_parts(const ParameterStore& store, const std::vector<CatalogueEntry>& entries,
                               const std::vector<CheckpointArray>& arrays) {
  std::unordered_map<std::string, std::size_t> number;
  for (std::size_t i = 0; i < entries.size(); ++i) number[entries[i].name] = i;
  std::vector<OwnPart> parts;
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    const std::size_t element_bytes = size_of(arrays[a].flat.dtype());
    for (const auto& p : store.all()) {
      const ParameterInfo& info = p->info();
      if (info.tied_copy) continue;
      const std::size_t entry = number.at(info.name);
      const Range& owned = p->owned();
      const Holder holder = owner_of(*p, store);
      const Range share = written_share(owned.size(), holder.count, holder.index, static_cast<std::int64_t>(entry));
      if (share.size() == 0) continue;
      const Range elements{owned.begin + share.begin, owned.begin + share.end};
      const auto* flat = static_cast<const std::byte*>(arrays[a].flat.raw());
      const auto first = static_cast<std::size_t>(arrays[a].owned_alone ? p->owned_offset() + share.begin
                                                                        : p->offset() + elements.begin);
      parts.push_back({a * entries.size() + entry, element_bytes, tensor_part(info.shape, info.shard, p->runs()),
                       elements, flat + first * element_bytes});
    }
  }
  return parts;
}

}  // namespace longspan
