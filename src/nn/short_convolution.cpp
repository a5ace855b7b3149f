#include "nn/short_convolution.hpp"

#include <algorithm>
#include <cmath>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/exchange_rows.hpp"
#include "autograd/functions/gates.hpp"
#include "autograd/functions/tensor_axis.hpp"
#include "nn/contiguous.hpp"
#include "ops/write_rows.hpp"

namespace longspan {

// Weights start with the variance of a sum over kWidth positions: 1 / kWidth.
ShortConvolution::ShortConvolution(ParameterStore& store, const std::string& name, std::int64_t channels,
                                   const Settings& settings)
    : replicated_(settings.granule == 0) {
  const ParameterShard shard = replicated_ ? ParameterShard{} : ParameterShard{0, settings.granule};
  weight_ = store.declare({.name = name + ".weight",
                           .shape = {channels, kWidth},
                           .shard = shard,
                           .init = Initializer::normal(1 / std::sqrt(static_cast<double>(kWidth))),
                           .group = settings.group});
  if (settings.bias) {
    bias_ = store.declare({.name = name + ".bias", .shape = {channels}, .shard = shard, .group = settings.group});
  }
}

Variable ShortConvolution::forward(const Context& context, const Variable& x, const Tensor& documents) const {
  const std::int64_t b = x.value().dim(0), c = x.value().dim(2);
  const Comm& axis = context.mesh.sequence();
  if (axis.size() == 1) {
    return convolve(context, Variable(Tensor::empty({b, 0, c}, x.value().dtype()), false), x, documents);
  }
  const SequenceShard& shard = context.sequence.shard;
  const auto edge = std::make_shared<const RowExchange>(
      plan_row_exchange(shard, [&shard](int part) { return edge_positions(shard, part, kWidth - 1); }));
  return convolve(context, exchange_rows(context.tape, x, edge, axis), x, documents);
}

Variable ShortConvolution::convolve(const Context& context, const Variable& edge, const Variable& x,
                                    const Tensor& documents) const {
  const auto parameter = [&](const Parameter* p) {
    return replicated_ ? shared_in_region(context.tape, p->variable(), context.mesh.tensor()) : p->variable();
  };
  const Variable weight = parameter(weight_), bias = bias_ ? parameter(bias_) : Variable();
  return activation(context.tape, ops::Activation::silu,
                    short_convolution(context.tape, edge, x, weight, bias, documents));
}

Variable ShortConvolution::extend(const Context& context, const Variable& x, Tensor& edge) const {
  const std::int64_t b = x.value().dim(0), n = x.value().dim(1), c = x.value().dim(2), e = edge.dim(1);
  const Variable y = convolve(context, Variable(edge, false), x, document_rows(context));
  const Tensor all = Tensor::empty({b, e + n, c}, x.value().dtype());
  ops::write_rows(edge, all, 0);
  ops::write_rows(x.value(), all, e);
  const std::int64_t kept = std::min(kWidth - 1, e + n);
  edge = Tensor::empty({b, kept, c}, all.dtype(), Memory::activations, "convolution edge");
  ops::read_rows(all, e + n - kept, edge);
  return y;
}

}  // namespace longspan
