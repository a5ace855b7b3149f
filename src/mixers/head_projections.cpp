#include "mixers/head_projections.hpp"

#include <cmath>

#include "autograd/remake.hpp"
#include "ops/heads.hpp"

namespace longspan {

HeadProjections::HeadProjections(ParameterStore& store, const MixerSettings& s)
    : heads_(s.model.heads / store.mesh().tensor),
      kv_heads_(s.model.num_kv_heads() / store.mesh().tensor),
      head_width_(s.model.head_width()),
      first_head_(heads_ * store.at().tensor),
      query_(store, s.name + ".query", s.model.width, s.model.heads * head_width_, head_width_,
             {s.model.init_deviation, s.model.bias, s.group}),
      key_(store, s.name + ".key", s.model.width, s.model.num_kv_heads() * head_width_, head_width_,
           {s.model.init_deviation, s.model.bias, s.group}),
      value_(store, s.name + ".value", s.model.width, s.model.num_kv_heads() * head_width_, head_width_,
             {s.model.init_deviation, s.model.bias, s.group}),
      output_(store, s.name + ".output", s.model.heads * head_width_, s.model.width, head_width_,
              {s.model.init_deviation / std::sqrt(2.0 * static_cast<double>(s.model.layers)), s.model.bias, s.group}) {}

// The gradients of heads are written straight into those of the projections.
Heads HeadProjections::project(const Context& context, const Variable& x) const {
  Tape& tape = context.tape;
  const ops::RotaryTable& rotary = context.sequence.rotary;
  const Variable xq = query_.forward(context, x), xk = key_.forward(context, x), xv = value_.forward(context, x);
  const std::int64_t b = xq.value().dim(0), t = xq.value().dim(1);
  const Dtype dtype = xq.value().dtype();
  const Variable q(Tensor::empty({b, heads_, t, head_width_}, dtype));
  const Variable kv(Tensor::empty({2 * b, kv_heads_, t, head_width_}, dtype));
  ops::split_heads(xq.value(), rotary, q.value());
  ops::split_heads(xk.value(), rotary, kv.value().slice(0, b));
  ops::split_heads(xv.value(), {}, kv.value().slice(b, b));
  tape.record("split_heads", [=] {
    const Tensor dq = q.take_gradient();
    const auto dx = xq.gradient_slot();
    ops::merge_heads(dq, rotary, dx.tensor, dx.accumulate);
  });
  tape.record("split_heads", [=] {
    const Tensor dkv = kv.take_gradient();
    const auto dk = xk.gradient_slot(), dv = xv.gradient_slot();
    ops::merge_heads(dkv.slice(0, b), rotary, dk.tensor, dk.accumulate);
    ops::merge_heads(dkv.slice(b, b), {}, dv.tensor, dv.accumulate);
  });
  for (const Variable& projected : {xq, xk, xv}) projected.release_value();
  return {q, kv};
}

Variable HeadProjections::join(const Context& context, const Variable& o) const {
  const Tensor& heads = o.value();
  const Variable merged(Tensor::empty({heads.dim(0), heads.dim(2), heads_ * head_width_}, heads.dtype()));
  ops::merge_heads(heads, {}, merged.value());
  context.tape.record("merge_heads", [=] {
    const Tensor dmerged = merged.take_gradient();
    const Tensor dheads = Tensor::empty(o.value().shape(), o.value().dtype(), Memory::activations, "gradient");
    ops::split_heads(dmerged, {}, dheads);
    o.add_gradient(dheads);
  });
  const Variable y = output_.forward(context, merged);
  if (context.remake) {
    remake_in_backward(context.tape, merged, [=, shape = merged.value().shape()](Tape&) {
      const Variable again(Tensor::empty(shape, o.value().dtype()));
      ops::merge_heads(o.value(), {}, again.value());
      return again;
    });
  }
  return y;
}

}  // namespace longspan
