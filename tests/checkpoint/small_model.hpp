// A model of hand-declared parameters on any mesh: split by rows, by columns, by positions, whole, and with a tied
// embedding.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "ops/elementwise.hpp"

namespace longspan::testing {

inline constexpr int kLayers = 4;

struct SmallModel {
  // After `steps` optimizer steps with gradients that do not depend on the mesh.
  SmallModel(const Mesh& mesh, Dtype dtype, std::uint64_t seed, int steps, std::int64_t width = 6, int layers = kLayers)
      : store(mesh.shape(), mesh.at()), optimizer({}, allocated(mesh, dtype, seed, width, layers)) {
    for (int i = 0; i < steps; ++i) {
      for (const auto& p : store.all()) ops::copy(p->value(), p->gradient());
      optimizer.step(0.01, 1);
    }
  }

  ParameterStore store;
  Optimizer optimizer;

 private:
  const ParameterStore& allocated(const Mesh& mesh, Dtype dtype, std::uint64_t seed, std::int64_t width, int layers) {
    if (mesh.first_stage()) declare("embedding.weight", {11, width}, {.dim = 0});
    const Range mine = split(layers, mesh.shape().pipeline, mesh.at().pipeline);
    for (std::int64_t layer = mine.begin; layer < mine.end; ++layer) {
      const std::string block = "blocks." + std::to_string(layer) + ".";
      declare(block + "norm.weight", {width}, {});
      // Three heads of two rows: uneven on two ranks, an empty part on four.
      declare(block + "query.weight", {6, width}, {.dim = 0, .granule = 2});
      declare(block + "output.weight", {width, 6}, {.dim = 1, .granule = 2});
      declare(block + "query.bias", {6}, {.dim = 0, .granule = 2});
      // One column a position: two runs on a zigzag shard, a stride on a striped one.
      declare(block + "zigzag.weight", {3, 11}, ParameterShard::by_position(1, ShardKind::zigzag));
      declare(block + "positions.weight", {11, 3}, ParameterShard::by_position(0, ShardKind::zigzag));
      declare(block + "striped.weight", {2, 3}, ParameterShard::by_position(1, ShardKind::striped));
    }
    if (mesh.last_stage()) declare("norm.weight", {width}, {});
    if (mesh.last_stage() && !mesh.first_stage()) declare("embedding.weight", {11, width}, {.dim = 0}, true);
    store.allocate(dtype, seed);
    for (const auto& p : store.all()) {
      if (p->info().shape.rank() == 1) fill_vector(*p, static_cast<double>(seed));
    }
    return store;
  }

  // Values by global index.
  static void fill_vector(const Parameter& p, double seed) {
    std::vector<double> values;
    for (std::int64_t i = p.first(); i < p.first() + p.local_shape().size(); ++i) {
      values.push_back(std::sin(seed + static_cast<double>(i + static_cast<std::int64_t>(p.info().name.size()))));
    }
    if (!values.empty()) ops::copy(Tensor::from_host(values, p.local_shape()), p.value());
  }

  void declare(const std::string& name, const Shape& shape, const ParameterShard& shard, bool tied_copy = false) {
    ParameterInfo info;
    info.name = name;
    info.shape = shape;
    info.shard = shard;
    info.init = Initializer::normal(0.5);
    info.decay = true;
    info.tied_copy = tied_copy;
    store.declare(info);
  }
};

}  // namespace longspan::testing
