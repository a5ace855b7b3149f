// Parameters: declared first (names, logical shapes, how the mesh splits them), then allocated at once in flat buffers.
// Initialisation, checkpoints, gradient reduction and norms all read the declaration. A value depends only on the seed,
// the name and the global index, so that every mesh starts from the same weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.hpp"
#include "comm/mesh.hpp"
#include "layout/parameter_shard.hpp"

namespace longspan {

struct Initializer {
  enum class Kind { constant, normal, function } kind = Kind::constant;
  double value = 0;  // the constant, or the standard deviation
  // Of the key of seed and name and the global row-major index in a parameter that is whole or split by rows.
  std::function<double(std::uint64_t key, std::int64_t index)> entry = {};

  static Initializer constant(double value) { return {Kind::constant, value}; }
  static Initializer normal(double deviation) { return {Kind::normal, deviation}; }
  static Initializer function(std::function<double(std::uint64_t key, std::int64_t index)> entry) {
    return {Kind::function, 0, std::move(entry)};
  }
};

struct ParameterInfo {
  std::string name;  // "blocks.3.attention.query.weight", the same on every mesh
  Shape shape;       // logical: [out, in], [D], ...
  ParameterShard shard;
  Initializer init;
  bool decay = false;      // weight decay applies
  int group = 0;           // gradients of a group become complete together (a block, the embedding, the head)
  bool tied_copy = false;  // a second copy of the first stage's embedding: same name, not counted, not saved
  bool tied = false;       // has a second copy on the last stage: gradients are summed over both ends
};

// One rank's part of a parameter.
class Parameter {
 public:
  const ParameterInfo& info() const { return info_; }
  // Local part: entries runs() of dimension info().shard.dim, of which the first is entry first() of the whole.
  const Shape& local_shape() const { return local_; }
  const std::vector<PositionRun>& runs() const { return runs_; }
  std::int64_t first() const { return runs_.empty() ? 0 : runs_.front().first; }
  const Variable& variable() const { return variable_; }  // undefined before ParameterStore::allocate
  const Tensor& value() const { return variable_.value(); }
  const Tensor& gradient() const { return variable_.gradient(); }
  std::int64_t offset() const { return offset_; }  // first element in the flat buffers

 private:
  friend class ParameterStore;
  ParameterInfo info_;
  Shape local_;
  std::vector<PositionRun> runs_;
  std::int64_t offset_ = 0;
  Variable variable_;
};

class ParameterStore {
 public:
  ParameterStore(const MeshShape& mesh, const MeshCoordinate& at) : mesh_(mesh), at_(at) {}

  // Pointers stay valid for the store's life. Declare the parameters of a group one after the other.
  Parameter* declare(const ParameterInfo& info);

  // Flat buffers of values (dtype) with initial values and, for training, of gradients (its accumulation dtype, zero).
  void allocate(Dtype dtype, std::uint64_t seed, bool training = true);
  void zero_gradients() const { gradients_.set_zero(); }

  const std::vector<std::unique_ptr<Parameter>>& all() const { return parameters_; }
  Dtype dtype() const { return values_.dtype(); }
  const Tensor& values() const { return values_; }        // [local elements]
  const Tensor& gradients() const { return gradients_; }  // [local elements]
  std::int64_t local_elements() const { return elements_; }
  // Consecutive elements of the flat buffers whose gradients the same ranks sum: those of a group, in order.
  struct GradientPiece {
    Range range;
    bool by_position = false;  // each rank of the sequence axis has its own
  };
  std::vector<GradientPiece> group_pieces(int group) const;
  const MeshShape& mesh() const { return mesh_; }
  const MeshCoordinate& at() const { return at_; }

  // This rank's copy is the one that counts where the tensor axis, the sequence axis or a tie hold several: sums over
  // these and the pipeline axis see every parameter once.
  bool counts(const Parameter& p) const {
    const ParameterShard& shard = p.info().shard;
    return !p.info().tied_copy && (shard.over(Axis::tensor) || at_.tensor == 0) &&
           (shard.over(Axis::sequence) || at_.sequence == 0);
  }
  // Elements that this rank counts.
  std::int64_t counted_elements() const;

 private:
  MeshShape mesh_;
  MeshCoordinate at_;
  std::vector<std::unique_ptr<Parameter>> parameters_;
  std::int64_t elements_ = 0;
  Tensor values_, gradients_;
};

// The ranks that hold the same part of a parameter, and so sum its gradients.
inline const Comm& holders(const Mesh& mesh, bool by_position) { return by_position ? mesh.data() : mesh.replicas(); }
// The sum over one model's ranks of what each counts (ParameterStore::counts). Collective over the tensor, pipeline and
// sequence axes.
template <class T>
T sum_of_counted(const Mesh& mesh, T value) {
  return mesh.model().all_reduce_value(mesh.sequence().all_reduce_value(value));
}

}  // namespace longspan
