#include "models/block.hpp"

#include <format>

#include "autograd/functions/basic.hpp"

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
