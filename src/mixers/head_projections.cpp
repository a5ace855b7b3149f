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

Variable HeadProjections::mix(const Context& context, const Variable& x, const Mixing& mixing) const {
  const Heads heads = project(context, x);
  const Variable o = mixing(heads);
  if (context.remake >= Remake::linear) remake(context, x, heads);
  return join(context, o);
}

// The gradients of heads are written straight into those of the projections, whose own values nobody asks for again.
Heads HeadProjections::project(const Context& context, const Variable& x) const {
  const Variable xq = query_.forward(context, x), xk = key_.forward(context, x), xv = value_.forward(context, x);
  const Heads heads{make_queries(context, xq), make_keys(context, xk, xv)};
  for (const Variable& projected : {xq, xk, xv}) projected.release_value();
  return heads;
}

Variable HeadProjections::make_queries(const Context& context, const Variable& xq) const {
  const ops::RotaryTable& rotary = context.sequence.rotary;
  const Tensor& rows = xq.value();
  const Variable q(Tensor::empty({rows.dim(0), heads_, rows.dim(1), head_width_}, rows.dtype()));
  ops::split_heads(rows, rotary, q.value());
  context.tape.record("split_heads", [=] {
    const Tensor dq = q.take_gradient();
    const auto dx = xq.gradient_slot();
    ops::merge_heads(dq, rotary, dx.tensor, dx.accumulate);
  });
  return q;
}

Variable HeadProjections::make_keys(const Context& context, const Variable& xk, const Variable& xv) const {
  const ops::RotaryTable& rotary = context.sequence.rotary;
  const Tensor& rows = xk.value();
  const std::int64_t b = rows.dim(0);
  const Variable kv(Tensor::empty({2 * b, kv_heads_, rows.dim(1), head_width_}, rows.dtype()));
  ops::split_heads(rows, rotary, kv.value().slice(0, b));
  ops::split_heads(xv.value(), {}, kv.value().slice(b, b));
  context.tape.record("split_heads", [=] {
    const Tensor dkv = kv.take_gradient();
    const auto dk = xk.gradient_slot(), dv = xv.gradient_slot();
    ops::merge_heads(dkv.slice(0, b), rotary, dk.tensor, dk.accumulate);
    ops::merge_heads(dkv.slice(b, b), {}, dv.tensor, dv.accumulate);
  });
  return kv;
}

void HeadProjections::remake(const Context& context, const Variable& x, const Heads& heads) const {
  remake_in_backward(context.tape, heads.q, [=, this](Tape& tape) {
    const Context again = with_tape(context, tape);
    return make_queries(again, query_.forward(again, x));
  });
  remake_in_backward(context.tape, heads.kv, [=, this](Tape& tape) {
    const Context again = with_tape(context, tape);
    return make_keys(again, key_.forward(again, x), value_.forward(again, x));
  });
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
  if (context.remake >= Remake::cheap) {
    remake_in_backward(context.tape, merged, [=, shape = merged.value().shape()](Tape&) {
      const Variable again(Tensor::empty(shape, o.value().dtype()));
      ops::merge_heads(o.value(), {}, again.value());
      return again;
    });
  }
  return y;
}

}  // namespace longspan
