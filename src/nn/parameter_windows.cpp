// Whole values and gradients that come and go: ZeRO's stages 2 and 3.
#include <utility>

#include "nn/parameter.hpp"

namespace longspan {
namespace {

// The part of a whole piece that is a parameter; undefined where the piece is.
Tensor part_of(const Parameter& p, const ParameterPiece& piece, const Tensor& whole) {
  if (!whole.defined()) return {};
  return whole.slice(p.offset() - piece.range.begin, p.local_shape().size()).reshape(p.local_shape());
}

}  // namespace

void ParameterStore::show_values(const ParameterPiece& piece, const Tensor& whole) const {
  for (auto i = piece.parameters.begin; i < piece.parameters.end; ++i) {
    const Parameter& p = *placed_[static_cast<std::size_t>(i)];
    p.variable().set_value(part_of(p, piece, whole));
  }
}

void ParameterStore::show_gradients(const ParameterPiece& piece, const Tensor& whole) const {
  for (auto i = piece.parameters.begin; i < piece.parameters.end; ++i) {
    const Parameter& p = *placed_[static_cast<std::size_t>(i)];
    p.variable().set_gradient(part_of(p, piece, whole));
  }
}

template <class Visit>
void ParameterStore::for_each_piece(int group, const Visit& visit) const {
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].group == group && pieces_[i].range.size() > 0) visit(i);
  }
}

void ParameterStore::start_fetch(const Mesh& mesh, int group) {
  for_each_piece(group, [&](std::size_t i) {
    const ParameterPiece& piece = pieces_[i];
    if (keeps_values(piece) || windows_[i].values.defined()) return;
    windows_[i].values = Tensor::empty({piece.range.size()}, dtype(), Memory::parameters, "whole parameters");
    windows_[i].arriving =
        mesh.holders(piece.split_axis)
            .all_gather_async(owned_values(piece), windows_[i].values, owned_counts(piece.range, piece.holders));
  });
}

void ParameterStore::fetch(const Mesh& mesh, const std::vector<int>& groups, const std::vector<int>& next) {
  if (!shards_values(zero_)) return;
  for (const int group : groups) start_fetch(mesh, group);
  for (const int group : groups) {
    for_each_piece(group, [&](std::size_t i) {
      if (keeps_values(pieces_[i])) return;
      windows_[i].arriving.wait();
      show_values(pieces_[i], windows_[i].values);
    });
  }
  for (const int group : next) start_fetch(mesh, group);
}

void ParameterStore::drop(const std::vector<int>& groups) {
  for (const int group : groups) {
    for_each_piece(group, [&](std::size_t i) {
      if (keeps_values(pieces_[i])) return;
      show_values(pieces_[i], Tensor());
      windows_[i].values = Tensor();
    });
  }
}

void ParameterStore::share_values(const Mesh& mesh) const {
  if (!shards_states(zero_) || shards_values(zero_)) return;
  std::vector<Request> requests;
  for (const ParameterPiece& piece : pieces_) {
    if (piece.holders == 1 || piece.range.size() == 0) continue;
    requests.push_back(mesh.holders(piece.split_axis)
                           .all_gather_async(owned_values(piece), values_.slice(piece.range.begin, piece.range.size()),
                                             owned_counts(piece.range, piece.holders)));
  }
  for (Request& request : requests) request.wait();
}

void ParameterStore::open_gradients(std::size_t number) {
  const ParameterPiece& piece = pieces_[number];
  Tensor& gradients = windows_[number].gradients;
  if (keeps_gradients(piece) || gradients.defined()) return;
  gradients = Tensor::zeros({piece.range.size()}, gradients_.dtype(), Memory::gradients, "whole gradients");
  show_gradients(piece, gradients);
}

void ParameterStore::open_gradients(const std::vector<int>& groups) {
  if (!shards_gradients(zero_)) return;
  for (const int group : groups) {
    for_each_piece(group, [&](std::size_t i) { open_gradients(i); });
  }
}

std::vector<std::pair<ParameterPiece, Tensor>> ParameterStore::take_gradients(int group) {
  std::vector<std::pair<ParameterPiece, Tensor>> taken;
  for_each_piece(group, [&](std::size_t i) {
    const ParameterPiece& piece = pieces_[i];
    if (piece.holders == 1) return;
    if (!shards_gradients(zero_)) {
      taken.emplace_back(piece, gradients_.slice(piece.range.begin, piece.range.size()));
      return;
    }
    open_gradients(i);
    show_gradients(piece, Tensor());
    taken.emplace_back(piece, std::exchange(windows_[i].gradients, Tensor()));
  });
  return taken;
}

}  // namespace longspan
