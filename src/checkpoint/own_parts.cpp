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

// Of the ranks of one stage that own the same elements of a parameter: which one is at `at`.
Holder owner_of(const Parameter& p, const ParameterStore& store, const MeshCoordinate& at) {
  if (shards_states(store.zero())) return {};
  return holder_of(p.info().shard.split_axis(), store.mesh(), at);
}

// Calls visit(parameter, elements of its part that the rank at `at` writes) for all that it writes any of.
template <class Visit>
void for_each_share(const ParameterStore& store, const MeshCoordinate& at, const Visit& visit) {
  std::int64_t turn = 0;
  for (const auto& p : store.all()) {
    if (p->info().tied_copy) continue;
    const Range& owned = p->owned();
    const Holder holder = owner_of(*p, store, at);
    const Range share = written_share(owned.size(), holder.count, holder.index, turn++);
    if (share.size() > 0) visit(*p, Range{owned.begin + share.begin, owned.begin + share.end});
  }
}

}  // namespace

std::vector<OwnPart> own_parts(const ParameterStore& store, const std::vector<CatalogueEntry>& entries,
                               const std::vector<CheckpointArray>& arrays) {
  std::unordered_map<std::string, std::size_t> number;
  for (std::size_t i = 0; i < entries.size(); ++i) number[entries[i].name] = i;
  std::vector<OwnPart> parts;
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    const std::size_t element_bytes = size_of(arrays[a].flat.dtype());
    const auto* flat = static_cast<const std::byte*>(arrays[a].flat.raw());
    for_each_share(store, store.at(), [&](const Parameter& p, const Range& elements) {
      const ParameterInfo& info = p.info();
      const auto first = static_cast<std::size_t>(
          elements.begin + (arrays[a].owned_alone ? p.owned_offset() - p.owned().begin : p.offset()));
      parts.push_back({a * entries.size() + number.at(info.name), element_bytes,
                       tensor_part(info.shape, info.shard, p.runs()), elements, flat + first * element_bytes});
    });
  }
  return parts;
}

std::size_t snapshot_bytes(const ParameterStore& store, const std::vector<CheckpointArray>& arrays,
                           const MeshCoordinate& at) {
  std::size_t bytes = 0;
  for_each_share(store, at, [&](const Parameter&, const Range& elements) {
    for (const CheckpointArray& array : arrays) {
      bytes += OwnPart{.element_bytes = size_of(array.flat.dtype()), .elements = elements}.copied_bytes();
    }
  });
  return bytes;
}

}  // namespace longspan
