#include "checkpoint/catalogue.hpp"

#include <sstream>

namespace longspan {
namespace {

// One parameter a line: name, dimension that is split, granule, axis, kind of shard, number of dimensions, dimensions.
std::string own_lines(const ParameterStore& store) {
  std::ostringstream lines;
  for (const auto& p : store.all()) {
    const ParameterInfo& info = p->info();
    if (info.tied_copy) continue;
    lines << info.name << ' ' << info.shard.dim << ' ' << info.shard.granule << ' ' << static_cast<int>(info.shard.axis)
          << ' ' << static_cast<int>(info.shard.kind) << ' ' << info.shape.rank();
    for (int i = 0; i < info.shape.rank(); ++i) lines << ' ' << info.shape[i];
    lines << '\n';
  }
  return lines.str();
}

void read_lines(const std::string& text, int stage, std::vector<CatalogueEntry>& entries) {
  std::istringstream lines(text);
  CatalogueEntry entry;
  entry.stage = stage;
  for (int axis = 0, kind = 0, rank = 0;
       lines >> entry.name >> entry.shard.dim >> entry.shard.granule >> axis >> kind >> rank;) {
    entry.shard.axis = static_cast<Axis>(axis);
    entry.shard.kind = static_cast<ShardKind>(kind);
    entry.shape = Shape();
    for (std::int64_t n = 0; rank > 0 && lines >> n; --rank) entry.shape.push_back(n);
    entries.push_back(entry);
  }
}

// World ranks ascend with the stage, then with the tensor coordinate, and so do the ranks of mesh.model().
int model_rank(const Mesh& mesh, int stage, int tensor) { return stage * mesh.shape().tensor + tensor; }

}  // namespace

std::vector<CatalogueEntry> catalogue(const Mesh& mesh, const ParameterStore& store) {
  const std::string own = own_lines(store);
  std::vector<CatalogueEntry> entries;
  for (int stage = 0; stage < mesh.shape().pipeline; ++stage) {
    read_lines(mesh.model().broadcast_text(own, model_rank(mesh, stage, 0)), stage, entries);
  }
  return entries;
}

}  // namespace longspan
