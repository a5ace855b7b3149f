#include "checkpoint/catalogue.hpp"

#include <cstring>
#include <sstream>

namespace longspan {
namespace {

constexpr int kPartTag = 0;

// One parameter a line: name, dimension that is split, granule, number of dimensions, dimensions.
std::string own_lines(const ParameterStore& store) {
  std::ostringstream lines;
  for (const auto& p : store.all()) {
    const ParameterInfo& info = p->info();
    if (info.tied_copy) continue;
    lines << info.name << ' ' << info.shard.dim << ' ' << info.shard.granule << ' ' << info.shape.rank();
    for (int i = 0; i < info.shape.rank(); ++i) lines << ' ' << info.shape[i];
    lines << '\n';
  }
  return lines.str();
}

void read_lines(const std::string& text, int stage, std::vector<CatalogueEntry>& entries) {
  std::istringstream lines(text);
  CatalogueEntry entry;
  entry.stage = stage;
  for (int rank = 0; lines >> entry.name >> entry.shard.dim >> entry.shard.granule >> rank;) {
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

void place_part(const std::byte* part, const Range& range, int dim, const Shape& shape, std::size_t element_bytes,
                std::byte* logical) {
  std::int64_t outer = 1, inner = static_cast<std::int64_t>(element_bytes);
  for (int i = 0; i < dim; ++i) outer *= shape[i];
  for (int i = dim + 1; i < shape.rank(); ++i) inner *= shape[i];
  const std::int64_t from_stride = range.size() * inner, to_stride = shape[dim] * inner;
  for (std::int64_t o = 0; o < outer; ++o) {
    std::memcpy(logical + o * to_stride + range.begin * inner, part + o * from_stride,
                static_cast<std::size_t>(from_stride));
  }
}

std::vector<std::byte> gather(const Mesh& mesh, const ParameterStore& store, const CatalogueEntry& entry,
                              const Tensor& flat) {
  const Comm& model = mesh.model();
  const std::size_t element_bytes = size_of(flat.dtype());
  const int dim = entry.shard.replicated() ? 0 : entry.shard.dim;
  const int parts = entry.shard.replicated() ? 1 : mesh.shape().tensor;
  std::vector<std::byte> logical(model.rank() == 0 ? entry.shape.size() * element_bytes : 0);
  for (int t = 0; t < parts; ++t) {
    const Range range = parts == 1 ? Range{0, entry.shape[dim]} : entry.shard.range(entry.shape[dim], parts, t);
    const int owner = model_rank(mesh, entry.stage, t);
    if (range.size() == 0 || (model.rank() != 0 && model.rank() != owner)) continue;
    Shape local = entry.shape;
    local[dim] = range.size();
    Tensor part;
    if (model.rank() == owner) {
      part = flat.slice(find(store, entry.name).offset(), local.size());
    } else {
      part = Tensor::empty({local.size()}, flat.dtype(), Memory::workspace, "part of a checkpoint");
    }
    if (owner != 0) {
      if (model.rank() == owner)
        model.send(part, 0, kPartTag);
      else
        model.receive(part, owner, kPartTag);
    }
    if (model.rank() != 0) continue;
    std::vector<std::byte> host(part.bytes());
    part.copy_to_host(host.data());
    place_part(host.data(), range, dim, entry.shape, element_bytes, logical.data());
  }
  return logical;
}

}  // namespace longspan
