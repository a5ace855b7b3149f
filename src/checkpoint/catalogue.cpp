#include "checkpoint/catalogue.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>

namespace longspan {
namespace {

constexpr int kPartTag = 0;

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

const Parameter& find(const ParameterStore& store, const std::string& name) {
  for (const auto& p : store.all()) {
    if (p->info().name == name && !p->info().tied_copy) return *p;
  }
  LONGSPAN_CHECK(false, "[checkpoint] this rank does not hold {}", name);
}

}  // namespace

std::vector<CatalogueEntry> catalogue(const Mesh& mesh, const ParameterStore& store) {
  const std::string own = own_lines(store);
  std::vector<CatalogueEntry> entries;
  for (int stage = 0; stage < mesh.shape().pipeline; ++stage) {
    read_lines(mesh.model().broadcast_text(own, model_rank(mesh, stage, 0)), stage, entries);
  }
  return entries;
}

void place_part(const std::byte* part, const std::vector<PositionRun>& runs, int dim, const Shape& shape,
                std::size_t element_bytes, std::byte* logical) {
  std::int64_t outer = 1, inner = static_cast<std::int64_t>(element_bytes);
  for (int i = 0; i < dim; ++i) outer *= shape[i];
  for (int i = dim + 1; i < shape.rank(); ++i) inner *= shape[i];
  const std::int64_t from_stride = count_entries(runs) * inner, to_stride = shape[dim] * inner;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const PositionRun& run : runs) {
      // Neighbours in the logical tensor are copied in one piece.
      const std::int64_t piece = run.stride == 1 ? run.count : 1;
      for (std::int64_t i = 0; i < run.count; i += piece) {
        std::memcpy(logical + o * to_stride + run.position(i) * inner, part + o * from_stride + (run.row + i) * inner,
                    static_cast<std::size_t>(piece * inner));
      }
    }
  }
}

std::vector<std::byte> gather(const Mesh& mesh, const ParameterStore& store, const CatalogueEntry& entry,
                              const Tensor& flat) {
  const Comm& world = mesh.world();
  const std::size_t element_bytes = size_of(flat.dtype());
  const int dim = std::max(0, entry.shard.dim), parts = entry.shard.parts(mesh.shape());
  std::vector<std::byte> logical(world.rank() == 0 ? entry.shape.size() * element_bytes : 0);
  for (int i = 0; i < parts; ++i) {
    const auto runs = entry.shard.runs(entry.shape[dim], parts, i);
    const int owner = rank_of(mesh.shape(), MeshCoordinate{.pipeline = entry.stage}.with(entry.shard.axis, i));
    if (runs.empty() || (world.rank() != 0 && world.rank() != owner)) continue;
    Shape local = entry.shape;
    local[dim] = count_entries(runs);
    Tensor part;
    if (world.rank() == owner) {
      part = flat.slice(find(store, entry.name).offset(), local.size());
    } else {
      part = Tensor::empty({local.size()}, flat.dtype(), Memory::workspace, "part of a checkpoint");
    }
    if (owner != 0) {
      if (world.rank() == owner)
        world.send(part, 0, kPartTag);
      else
        world.receive(part, owner, kPartTag);
    }
    if (world.rank() != 0) continue;
    std::vector<std::byte> host(part.bytes());
    part.copy_to_host(host.data());
    place_part(host.data(), runs, dim, entry.shape, element_bytes, logical.data());
  }
  return logical;
}

}  // namespace longspan
