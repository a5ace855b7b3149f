// Parameters: declared first (names, logical shapes, how the tensor axis splits them), then allocated at once in flat
// buffers. Initialisation, checkpoints, gradient reduction and norms all read the declaration. A value depends only on
// the seed, the name and the global index, so that every mesh starts from the same weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.hpp"
#include "layout/mesh_shape.hpp"
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
  std::string name;      // "blocks.3.attention.query.weight", the same on every mesh
  Shape shape;           // logical: [out, in], [D], ...
  ParameterShard shard;  // over the tensor axis
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
  // Local part: rows or columns range() of dimension info().shard.dim.
  const Shape& local_shape() const { return local_; }
  Range range() const { return range_; }
  const Variable& variable() const { return variable_; }  // undefined before ParameterStore::allocate
  const Tensor& value() const { return variable_.value(); }
  const Tensor& gradient() const { return variable_.gradient(); }
  std::int64_t offset() const { return offset_; }  // first element in the flat buffers

 private:
  friend class ParameterStore;
  ParameterInfo info_;
  Shape local_;
  Range range_;
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
  // Elements of the flat buffers that a group covers.
  Range group_range(int group) const;
  const MeshShape& mesh() const { return mesh_; }
  const MeshCoordinate& at() const { return at_; }

  // This rank's copy is the one that counts where the tensor axis or a tie holds several (norms, checkpoints).
  bool counts(const Parameter& p) const {
    return !p.info().tied_copy && (!p.info().shard.replicated() || at_.tensor == 0);
  }
  // Distinct parameters of the whole model that this rank's tensor and pipeline coordinate answers for.
  std::int64_t counted_elements() const;

 private:
  MeshShape mesh_;
  MeshCoordinate at_;
  std::vector<std::unique_ptr<Parameter>> parameters_;
  std::int64_t elements_ = 0;
  Tensor values_, gradients_;
};

}  // namespace longspan
