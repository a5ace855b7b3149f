#include "models/block.hpp"

#include <format>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/tensor_axis.hpp"
#include "autograd/remake.hpp"

namespace longspan {
namespace {

std::string block_name(int layer, const std::string& part) { return std::format("blocks.{}.{}", layer, part); }

MixerSettings named(MixerSettings settings, const std::string& name) {
  settings.name = name;
  return settings;
}

}  // namespace

Block::Block(ParameterStore& store, const std::string& kind, const MixerSettings& s)
    : layer_(s.layer),
      group_(s.group),
      dropout_(s.model.dropout),
      mixer_norm_(store, block_name(s.layer, "mixer_norm"), s.model, s.group),
      mixer_(make_mixer(kind, store, named(s, block_name(s.layer, kind)))),
      feed_forward_norm_(store, block_name(s.layer, "feed_forward_norm"), s.model, s.group),
      feed_forward_(store, block_name(s.layer, "feed_forward"), s.model, s.group) {}

Variable Block::residual(const Context& context, const Variable& x, const Variable& branch, const char* site) const {
  Variable f = branch;
  if (context.training()) {
    f = dropout(context.tape, f, dropout_, hash_name(site, context.dropout_key + static_cast<std::uint64_t>(layer_)),
                context.dropout_rows, f.value().dim(-1));
  }
  const Variable sum = add(context.tape, x, f);
  f.release_value();  // as well as the branch: their gradients do not ask for them
  branch.release_value();
  return sum;
}

// x + layer(norm(x)), where the layer works on all rows and the rest on those of this rank of the tensor axis.
template <class Layer>
Variable Block::add_branch(const Context& context, const Variable& x, const Norm& norm, const Layer& layer,
                           const char* site) const {
  const Comm& axis = context.mesh.tensor();
  const Shape whole{context.batch, context.sequence.shard.local_length(), x.value().dim(-1)};
  const Variable input = gather_rows(context.tape, norm.forward(context, x), whole, axis);
  const Variable branch = layer(input);
  if (context.remake >= Remake::cheap) {
    remake_in_backward(context.tape, input, [context, x, &norm, whole](Tape& tape) {
      return gather_rows(tape, norm.forward(with_tape(context, tape), x), whole, context.mesh.tensor());
    });
  }
  return residual(context, x, scatter_rows(context.tape, branch, axis), site);
}

Variable Block::add_feed_forward(const Context& context, const Variable& x) const {
  const auto layer = [&](const Variable& input) { return feed_forward_.forward(context, input); };
  return add_branch(context, x, feed_forward_norm_, layer, "feed-forward residual");
}

Variable Block::forward(const Context& context, const Variable& x) const {
  const auto layer = [&](const Variable& input) { return mixer_->forward(context, input); };
  return add_feed_forward(context, add_branch(context, x, mixer_norm_, layer, "mixer residual"));
}

Variable Block::extend(const Context& context, const Variable& x, MixerCache& cache) const {
  const auto layer = [&](const Variable& input) { return mixer_->extend(context, input, cache); };
  return add_feed_forward(context, add_branch(context, x, mixer_norm_, layer, "mixer residual"));
}

}  // namespace longspan
