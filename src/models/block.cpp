#include "models/block.hpp"

#include <format>

#include "autograd/functions/basic.hpp"

namespace longspan {
namespace {

std::string block_name(int layer, const std::string& part) { return std::format("blocks.{}.{}", layer, part); }

}  // namespace

Block::Block(ParameterStore& store, const ModelConfig& config, int layer, const std::string& kind, int group)
    : layer_(layer),
      group_(group),
      dropout_(config.dropout),
      mixer_norm_(store, block_name(layer, "mixer_norm"), config, group),
      mixer_(make_mixer(kind, store, {block_name(layer, kind), layer, group, config})),
      feed_forward_norm_(store, block_name(layer, "feed_forward_norm"), config, group),
      feed_forward_(store, block_name(layer, "feed_forward"), config, group) {}

Variable Block::residual(const Context& context, const Variable& x, const Variable& branch, const char* site) const {
  Variable f = branch;
  if (context.training()) {
    f = dropout(context.tape, f, dropout_, hash_name(site, context.dropout_key + static_cast<std::uint64_t>(layer_)),
                context.dropout_rows, f.value().dim(-1));
  }
  return add(context.tape, x, f);
}

Variable Block::forward(const Context& context, const Variable& x) const {
  const Variable mixed =
      residual(context, x, mixer_->forward(context, mixer_norm_.forward(context, x)), "mixer residual");
  return residual(context, mixed, feed_forward_.forward(context, feed_forward_norm_.forward(context, mixed)),
                  "feed-forward residual");
}

Variable Block::extend(const Context& context, const Variable& x, MixerCache& cache) const {
  const Variable mixed =
      residual(context, x, mixer_->extend(context, mixer_norm_.forward(context, x), cache), "mixer residual");
  return residual(context, mixed, feed_forward_.forward(context, feed_forward_norm_.forward(context, mixed)),
                  "feed-forward residual");
}

}  // namespace longspan
