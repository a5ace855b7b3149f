#include "checkpoint/own_parts.hpp"

#include <algorithm>
#include <unordered_map>

namespace longspan {

std::vector<CheckpointArray> checkpoint_arrays(const ParameterStore& store, const Optimizer* optimizer) {
  std::vector<CheckpointArray> arrays = {{"model", store.values()}};
  if (optimizer == nullptr) return arrays;
  for (const auto& state : optimizer->states()) arrays.push_back({"optimizer/" + state.name, state.flat});
  return arrays;
}

TensorPart tensor_part(const Shape& logical, const ParameterShard& shard, const std::vector<PositionRun>& runs) {
  const int dim = std::max(0, shard.dim);
  TensorPart part{.extent = logical[dim], .runs = runs};
  for (int i = 0; i < dim; ++i) part.outer *= logical[i];
  for (int i = dim + 1; i < logical.rank(); ++i) part.inner *= logical[i];
  return part;
}

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
      const Holder holder = holder_of(info.shard, store.mesh(), store.at());
      const Range elements =
          written_share(p->local_shape().size(), holder.count, holder.index, static_cast<std::int64_t>(entry));
      if (elements.size() == 0) continue;
      const auto* flat = static_cast<const std::byte*>(arrays[a].flat.raw());
      const auto first = static_cast<std::size_t>(p->offset() + elements.begin);
      parts.push_back({a * entries.size() + entry, element_bytes, tensor_part(info.shape, info.shard, p->runs()),
                       elements, flat + first * element_bytes});
    }
  }
  return parts;
}

}  // namespace longspan
