// A layer x [B, T_local, D] -> [B, T_local, D] on a mesh, whose outputs and gradients of x are parts of sums over the
// tensor axis. The loss is sum(w y) with fixed random weights w [B, T, D] of
// all positions, so that outputs, gradients of x and gradients of parameters on any mesh can be held against one
// rank's.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "nn/context.hpp"
#include "nn/contiguous.hpp"
#include "nn/parameter.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {

using Forward = std::function<Variable(const Context&, const Variable&)>;
using MakeLayer = std::function<Forward(ParameterStore&)>;

struct LayerCase {
  MakeLayer make;
  std::int64_t B = 2, T = 7, D = 8;
  std::vector<std::vector<std::int64_t>> document_starts = {};
  std::function<ops::RotaryTable(const std::vector<std::int32_t>& positions)> rotary = {};
  int sequence_inner = 1;  // neighbours on the sequence axis
  double deviation = 0.3;  // parameters are set to these random values, so that biases are not zero

  Shape shape() const { return {B, T, D}; }
  Values x() const { return random_values(B * T * D, 1); }
};

// Rows of [B, T, D] at this shard's positions.
inline Values local_rows(const Values& all, const LayerCase& c, const SequenceShard& shard) {
  Values mine;
  for (std::int64_t b = 0; b < c.B; ++b) {
    for (const std::int64_t t : shard.positions()) {
      const auto row = all.begin() + (b * c.T + t) * c.D;
      mine.insert(mine.end(), row, row + c.D);
    }
  }
  return mine;
}

// Columns or rows of a logical parameter, a vector or a matrix, that this rank holds.
inline Values local_part(const Values& all, const Parameter& p) {
  const Shape& shape = p.info().shape;
  const std::int64_t cols = shape.rank() == 1 ? 1 : shape[-1], rows = shape[0];
  const bool by_column = p.info().shard.dim > 0;
  std::vector<bool> held(static_cast<std::size_t>(by_column ? cols : rows), false);
  for (const PositionRun& run : p.runs()) {
    for (std::int64_t i = 0; i < run.count; ++i) held[static_cast<std::size_t>(run.position(i))] = true;
  }
  Values mine;
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    if (held[static_cast<std::size_t>(by_column ? i % cols : i / cols)])
      mine.push_back(all[static_cast<std::size_t>(i)]);
  }
  return mine;
}

inline Values logical_values(const Parameter& p, double deviation) {
  return random_values(p.info().shape.size(), hash_name(p.info().name), deviation);
}

class LayerRun {
 public:
  LayerRun(const LayerCase& c, const Comm& ranks, const MeshShape& shape, ShardKind kind = ShardKind::zigzag)
      : case_(c),
        mesh_(ranks, shape, c.sequence_inner),
        store_(shape, mesh_.at()),
        sequence_(make_sequence_context(SequenceShard(kind, c.T, shape.sequence, mesh_.at().sequence))) {
    if (c.rotary) {
      sequence_.rotary = c.rotary(sequence_.positions.host());
      if (sequence_.contiguous) {
        sequence_.contiguous->sequence.rotary = c.rotary(sequence_.contiguous->sequence.positions.host());
      }
    }
    layer_ = c.make(store_);
    store_.allocate(Dtype::float64, 1);
    for (const auto& p : store_.all()) set(*p, logical_values(*p, c.deviation));
  }

  const ParameterStore& store() const { return store_; }
  const SequenceShard& shard() const { return sequence_.shard; }
  static void set(const Parameter& p, const Values& logical) {
    p.value().copy_from_host(local_part(logical, p).data());
  }

  Variable forward(Tape& tape, const Variable& x) const {
    const Context context{
        .tape = tape, .mesh = mesh_, .sequence = sequence_, .batch = case_.B, .document_starts = case_.document_starts};
    return layer_(context, x);
  }

  // Outputs and gradients; those of parameters are summed over the ranks that hold the same part.
  struct Gradients {
    Values y, dx;
    std::map<std::string, Values> parameters;
  };
  Gradients gradients() const {
    store_.zero_gradients();
    const Variable x(to_local(case_.x()));
    Tape tape;
    const Variable y = forward(tape, x);
    mesh_.tensor().all_reduce(y.value());
    Gradients g{.y = to_values(y.value()), .dx = {}, .parameters = {}};
    y.set_gradient(to_local(random_values(case_.shape().size(), 2)));
    tape.backward();
    mesh_.tensor().all_reduce(x.gradient());
    g.dx = to_values(x.gradient());
    for (const auto& p : store_.all()) {
      mesh_.holders(p->info().shard.split_axis()).all_reduce(p->gradient());
      g.parameters[p->info().name] = to_values(p->gradient());
    }
    return g;
  }

  // On a mesh of one rank.
  double loss(const Values& x) const {
    Tape tape(false);
    return dot(to_values(forward(tape, Variable(to_local(x))).value()), random_values(case_.shape().size(), 2));
  }

 private:
  Tensor to_local(const Values& all) const {
    return tensor_as<double>(local_rows(all, case_, shard()), {case_.B, shard().local_length(), case_.D});
  }

  LayerCase case_;
  Mesh mesh_;
  ParameterStore store_;
  SequenceContext sequence_;
  Forward layer_;
};

// On one rank: gradients of x and of every parameter against central differences.
inline void expect_layer_gradients(const LayerCase& c, const Comm& self) {
  const LayerRun run(c, self, {});
  const LayerRun::Gradients g = run.gradients();
  EXPECT_LT(distance(g.dx, numeric_gradient([&](const Values& x) { return run.loss(x); }, c.x())),
            kDifferenceTolerance);
  for (const auto& p : run.store().all()) {
    const Values values = logical_values(*p, c.deviation);
    const auto loss = [&](const Values& changed) {
      LayerRun::set(*p, changed);
      return run.loss(c.x());
    };
    EXPECT_LT(distance(g.parameters.at(p->info().name), numeric_gradient(loss, values)), kDifferenceTolerance)
        << p->info().name;
    LayerRun::set(*p, values);
  }
}

// This rank's part of a mesh's results is one rank's.
inline void expect_like_one_rank(const LayerCase& c, const Comm& world, const Comm& self, const MeshShape& shape,
                                 ShardKind kind = ShardKind::zigzag) {
  const LayerRun one(c, self, {}), many(c, world, shape, kind);
  const LayerRun::Gradients a = one.gradients(), b = many.gradients();
  EXPECT_LT(distance(b.y, local_rows(a.y, c, many.shard())), 1e-12) << shape.str();
  EXPECT_LT(distance(b.dx, local_rows(a.dx, c, many.shard())), 1e-12) << shape.str();
  for (const auto& p : many.store().all()) {
    EXPECT_LT(distance(b.parameters.at(p->info().name), local_part(a.parameters.at(p->info().name), *p)), 1e-12)
        << p->info().name << " " << shape.str();
  }
}

}  // namespace longspan::testing
