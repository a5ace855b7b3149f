#include "nn/short_convolution.hpp"

#include <algorithm>
#include <cmath>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/exchange_rows.hpp"
#include "autograd/functions/gates.hpp"
#include "nn/contiguous.hpp"
#include "ops/elementwise.hpp"
#include "ops/write_rows.hpp"

namespace longspan {

namespace {

// x with the rows around it that a convolution sees.
struct Surroundings {
  Variable edge;
  ops::ConvolutionRows rows;
};

Surroundings surround(const Context& context, const Variable& x, std::int64_t width, std::int64_t lead,
                      const Tensor& documents) {
  const std::int64_t b = x.value().dim(0), c = x.value().dim(2);
  const Comm& axis = context.mesh.sequence();
  ops::ConvolutionRows rows{.lead = lead, .starts = documents};
  if (lead > 0) rows.ends = document_ends(context);
  if (axis.size() == 1) return {Variable(Tensor::empty({b, 0, c}, x.value().dtype()), false), rows};
  const SequenceShard& shard = context.sequence.shard;
  rows.before = static_cast<std::int64_t>(edge_positions(shard, shard.part(), width - 1 - lead).size());
  const auto edges = std::make_shared<const RowExchange>(plan_row_exchange(shard, [=, &shard](int part) {
    std::vector<std::int64_t> positions = edge_positions(shard, part, width - 1 - lead);
    const std::vector<std::int64_t> behind = following_positions(shard, part, lead);
    positions.insert(positions.end(), behind.begin(), behind.end());
    return positions;
  }));
  return {exchange_rows(context.tape, x, edges, axis), rows};
}

Variable convolve(const Context& context, const Surroundings& around, const Variable& x, const Variable& weight,
                  const Variable& bias) {
  return activation(context.tape, ops::Activation::silu,
                    short_convolution(context.tape, around.rows, around.edge, x, weight, bias));
}

}  // namespace

// Weights start with the variance of a sum over `width` positions: 1 / width.
ShortConvolution::ShortConvolution(ParameterStore& store, const std::string& name, std::int64_t channels,
                                   const Settings& settings)
    : centred_(settings.centred) {
  const ParameterShard shard = settings.granule == 0 ? ParameterShard{} : ParameterShard{0, settings.granule};
  weight_ = store.declare({.name = name + ".weight",
                           .shape = {channels, settings.width},
                           .shard = shard,
                           .init = Initializer::normal(1 / std::sqrt(static_cast<double>(settings.width))),
                           .group = settings.group});
  if (settings.bias) {
    bias_ = store.declare({.name = name + ".bias", .shape = {channels}, .shard = shard, .group = settings.group});
  }
}

Variable ShortConvolution::forward(const Context& context, const Variable& x, const Tensor& documents) const {
  return convolve(context, surround(context, x, width(), lead(), documents), x, weight_->variable(), bias());
}

Variable ShortConvolution::extend(const Context& context, const Variable& x, Tensor& edge) const {
  const std::int64_t b = x.value().dim(0), n = x.value().dim(1), c = x.value().dim(2), e = edge.dim(1);
  const Surroundings around{Variable(edge, false), {.before = e, .starts = document_rows(context)}};
  const Variable y = convolve(context, around, x, weight_->variable(), bias());
  const Tensor all = Tensor::empty({b, e + n, c}, x.value().dtype());
  ops::write_rows(edge, all, 0);
  ops::write_rows(x.value(), all, e);
  const std::int64_t kept = std::min(width() - 1, e + n);
  edge = Tensor::empty({b, kept, c}, all.dtype(), Memory::activations, "convolution edge");
  ops::read_rows(all, e + n - kept, edge);
  return y;
}

// A convolution of two positions whose weights are fixed.
Variable shift_rows(const Context& context, const Variable& x, const Tensor& documents, bool reversed) {
  const Tensor weight = Tensor::empty({x.value().dim(2), 2}, x.value().dtype(), Memory::workspace, "shift");
  ops::repeat_row(Tensor::from_host(reversed ? std::vector<double>{0, 1} : std::vector<double>{1, 0}, {2}), weight);
  const Surroundings around = surround(context, x, 2, reversed ? 1 : 0, documents);
  return short_convolution(context.tape, around.rows, around.edge, x, Variable(weight, false), {});
}

}  // namespace longspan
