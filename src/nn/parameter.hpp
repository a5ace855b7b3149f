// Parameters: declared first (names, logical shapes, how the mesh splits them), then allocated at once in flat buffers.
// Initialisation, checkpoints, gradient reduction and norms all read the declaration. A value depends only on the seed,
// the name and the global index, so that every mesh starts from the same weights.
//
// Gradients are sums over the ranks that hold the same part of a parameter: data and sequence ranks see different
// tokens, and tensor ranks that all hold the whole of it see it in different rows, heads or columns. A layer adds what
// its rank sees; GradientReducer sums over the holders once a step.
//
// With ZeRO (layout/zero.hpp) a rank keeps whole values or gradients only while a group computes: the model asks for
// them with fetch() and open_gradients(), and gives them back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.hpp"
#include "comm/mesh.hpp"
#include "layout/parameter_shard.hpp"
#include "layout/zero.hpp"

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
  // Undefined before ParameterStore::allocate. With ZeRO its value and gradient come and go; only the input part of a
  // function's backward may read the value, never its weight part.
  const Variable& variable() const { return variable_; }
  const Tensor& value() const { return variable_.value(); }
  const Tensor& gradient() const { return variable_.gradient(); }
  std::int64_t offset() const { return offset_; }  // first element in the flat buffers
  // Local elements that this rank owns, and where the first of them is in arrays of owned elements alone.
  const Range& owned() const { return owned_; }
  std::int64_t owned_offset() const { return owned_offset_; }

 private:
  friend class ParameterStore;
  ParameterInfo info_;
  Shape local_;
  std::vector<PositionRun> runs_;
  std::int64_t offset_ = 0, owned_offset_ = 0;
  Range owned_;
  Variable variable_;
};

// Consecutive elements of the flat buffers that the same ranks hold and sum together: those of a group, in order. A
// tied embedding is a piece of its own, so that both ends cut it alike.
struct ParameterPiece {
  int group = 0;
  std::optional<Axis> split_axis;  // whose ranks hold different parts (Mesh::holders)
  bool tied = false;
  Range range;                    // of the flat buffers
  Range owned;                    // of the flat buffers: what this rank owns
  std::int64_t owned_offset = 0;  // of the first of them in arrays of owned elements
  int holders = 1;                // ranks that hold the piece
  Range parameters;               // in the order of the flat buffers
};

class ParameterStore {
 public:
  // `zero`: the stage of ZeRO, 0 to 3.
  ParameterStore(const MeshShape& mesh, const MeshCoordinate& at, int zero = 0) : mesh_(mesh), at_(at), zero_(zero) {}

  // Pointers stay valid for the store's life. Declare the parameters of a group one after the other: those that the
  // same ranks hold come to lie together.
  Parameter* declare(const ParameterInfo& info);

  // Flat buffers of values (dtype) with initial values and, for training, of gradients (its accumulation dtype, zero).
  void allocate(Dtype dtype, std::uint64_t seed, bool training = true);
  void zero_gradients() const { gradients_.set_zero(); }

  // In the order of their declaration.
  const std::vector<std::unique_ptr<Parameter>>& all() const { return parameters_; }
  Dtype dtype() const { return values_.dtype(); }
  int zero() const { return zero_; }
  // What this rank keeps: whole pieces, or owned elements from stage 3 (values) and stage 2 (gradients) on.
  const Tensor& values() const { return values_; }
  const Tensor& gradients() const { return gradients_; }
  std::int64_t local_elements() const { return elements_; }
  std::int64_t owned_elements() const;
  std::vector<ParameterPiece> pieces() const;
  const MeshShape& mesh() const { return mesh_; }
  const MeshCoordinate& at() const { return at_; }

  // The owned elements of a parameter: of the values, of the gradients, and of an array of owned elements alone.
  Tensor owned_values(const Parameter& p) const {
    return shards_values(zero_) ? owned_of(p, values_) : own(p, values_);
  }
  Tensor owned_gradient(const Parameter& p) const {
    return shards_gradients(zero_) ? owned_of(p, gradients_) : own(p, gradients_);
  }
  static Tensor owned_of(const Parameter& p, const Tensor& owned) {
    return owned.slice(p.owned_offset(), p.owned().size());
  }
  // The same of a whole piece.
  Tensor owned_values(const ParameterPiece& piece) const { return own(piece, values_, shards_values(zero_)); }
  Tensor owned_gradient(const ParameterPiece& piece) const { return own(piece, gradients_, shards_gradients(zero_)); }

  // Stage 3: whole values of the groups are there on return; those of `next` are on their way. Without effect where
  // they are kept. Collective over the holders of each piece.
  void fetch(const Mesh& mesh, const std::vector<int>& groups, const std::vector<int>& next = {});
  // The groups' values are not needed before the next fetch.
  void drop(const std::vector<int>& groups);
  // Stages 1 and 2: sends the owned values to all holders, after an update. Collective.
  void share_values(const Mesh& mesh) const;
  // Stages 2 and 3: whole gradients of the groups, zero where they were not open yet.
  void open_gradients(const std::vector<int>& groups);
  // The pieces of a group that other ranks hold too, with their whole gradients: to be summed. From stage 2 on the
  // store forgets them.
  std::vector<std::pair<ParameterPiece, Tensor>> take_gradients(int group);

  // This rank's copy is the one that counts where several ranks hold one: sums over all axes see every parameter once.
  // With ZeRO each of its holders counts what it owns.
  bool counts(const Parameter& p) const {
    return !p.info().tied_copy &&
           (shards_states(zero_) || holder_of(p.info().shard.split_axis(), mesh_, at_).index == 0);
  }
  // Elements that this rank counts.
  std::int64_t counted_elements() const;

 private:
  // Whole values and gradients of a piece that are here for a while; values may be on their way.
  struct Window {
    Tensor values, gradients;
    Request arriving;
  };

  static Tensor own(const Parameter& p, const Tensor& flat) {
    return flat.slice(p.offset() + p.owned().begin, p.owned().size());
  }
  static Tensor own(const ParameterPiece& piece, const Tensor& flat, bool owned_alone) {
    return flat.slice(owned_alone ? piece.owned_offset : piece.owned.begin, piece.owned.size());
  }
  // Whether the flat buffer has the whole piece.
  bool keeps_values(const ParameterPiece& piece) const { return !shards_values(zero_) || piece.holders == 1; }
  bool keeps_gradients(const ParameterPiece& piece) const { return !shards_gradients(zero_) || piece.holders == 1; }
  void place(Parameter* p);
  std::optional<Axis> split_axis(const Parameter& p) const;
  void allocate(std::size_t piece, std::uint64_t seed, bool training);
  void show_values(const ParameterPiece& piece, const Tensor& whole) const;
  void show_gradients(const ParameterPiece& piece, const Tensor& whole) const;
  void open_gradients(std::size_t piece);
  void start_fetch(const Mesh& mesh, int group);
  // Calls visit(piece number) for the pieces of a group that hold anything here.
  template <class Visit>
  void for_each_piece(int group, const Visit& visit) const;

  MeshShape mesh_;
  MeshCoordinate at_;
  int zero_;
  std::vector<std::unique_ptr<Parameter>> parameters_;  // as declared
  std::vector<Parameter*> placed_;                      // in the order of the flat buffers
  std::int64_t elements_ = 0;
  Tensor values_, gradients_;
  std::vector<ParameterPiece> pieces_;  // once allocated
  std::vector<Window> windows_;         // [piece]
};

}  // namespace longspan
