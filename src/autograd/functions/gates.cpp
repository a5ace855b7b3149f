#include "autograd/functions/gates.hpp"

#include "ops/elementwise.hpp"
#include "ops/features.hpp"
#include "ops/gates.hpp"

namespace longspan {
namespace {

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()); }
Tensor wide_like(const Tensor& x) { return Tensor::empty(x.shape(), accumulation_dtype(x.dtype())); }

Shape with_width(const Tensor& x, std::int64_t width) {
  Shape shape = x.shape();
  shape[-1] = width;
  return shape;
}

// y = f(x), dx = g(x, dy); y of any shape and dtype.
template <class Forward, class Backward>
Variable unary(Tape& tape, const char* name, const Variable& x, const Tensor& result, Forward forward,
               Backward backward) {
  const Variable y(result);
  forward(x.value(), y.value());
  tape.record(name, [=] {
    const Tensor dy = y.take_gradient(), dx = like(x.value());
    backward(x.value(), dy, dx);
    x.add_gradient(dx);
  });
  return y;
}

}  // namespace

Variable reshape(Tape& tape, const Variable& x, const Shape& shape) {
  const Variable y(x.value().reshape(shape));
  tape.record("reshape", [=] { x.add_gradient(y.take_gradient().reshape(x.value().shape())); });
  return y;
}

Variable widen(Tape& tape, const Variable& x) {
  return unary(tape, "widen", x, wide_like(x.value()), ops::copy,
               [](const Tensor&, const Tensor& dy, const Tensor& dx) { ops::copy(dy, dx); });
}

Variable log_sigmoid(Tape& tape, const Variable& z, double temperature) {
  return unary(
      tape, "log_sigmoid", z, wide_like(z.value()),
      [=](const Tensor& x, const Tensor& y) { ops::log_sigmoid_forward(x, temperature, y); },
      [=](const Tensor& x, const Tensor& dy, const Tensor& dx) { ops::log_sigmoid_backward(x, temperature, dy, dx); });
}

Variable sigmoid(Tape& tape, const Variable& z, double factor) {
  return unary(
      tape, "sigmoid", z, wide_like(z.value()),
      [=](const Tensor& x, const Tensor& y) { ops::sigmoid_forward(x, factor, y); },
      [=](const Tensor& x, const Tensor& dy, const Tensor& dx) { ops::sigmoid_backward(x, factor, dy, dx); });
}

Variable softplus(Tape& tape, const Variable& z, const Variable& bias) {
  const Variable y(wide_like(z.value()));
  ops::softplus_forward(z.value(), bias.value(), y.value());
  tape.record("softplus", [=] {
    const Tensor dy = y.take_gradient(), dz = like(z.value());
    ops::softplus_backward(z.value(), bias.value(), dy, dz);
    ops::add_column_sums(dz, bias.gradient());
    z.add_gradient(dz);
  });
  return y;
}

Variable step_decay(Tape& tape, const Variable& step, const Variable& log_rate) {
  const Variable y(like(step.value()));
  ops::step_decay_forward(step.value(), log_rate.value(), y.value());
  tape.record("step_decay", [=] {
    const Tensor dstep = like(step.value());
    ops::step_decay_backward(step.value(), log_rate.value(), y.take_gradient(), dstep, log_rate.gradient());
    step.add_gradient(dstep);
  });
  return y;
}

Variable scale_heads(Tape& tape, const Variable& x, const Variable& factors) {
  const Variable y(like(x.value()));
  ops::scale_heads_forward(x.value(), factors.value(), y.value());
  tape.record("scale_heads", [=] {
    const Tensor dx = like(x.value()), dfactors = like(factors.value());
    ops::scale_heads_backward(x.value(), factors.value(), y.take_gradient(), dx, dfactors);
    x.add_gradient(dx);
    factors.add_gradient(dfactors);
  });
  return y;
}

Variable add_skip(Tape& tape, const Variable& o, const Variable& x, const Variable& weight) {
  const Variable y(like(x.value()));
  ops::add_skip_forward(o.value(), x.value(), weight.value(), y.value());
  tape.record("add_skip", [=] {
    const Tensor dy = y.take_gradient(), dx = like(x.value());
    ops::add_skip_backward(x.value(), weight.value(), dy, dx, weight.gradient());
    o.add_gradient(dy);
    x.add_gradient(dx);
  });
  return y;
}

Variable elu_feature(Tape& tape, const Variable& x) {
  return unary(tape, "elu_feature", x, like(x.value()), ops::elu_feature_forward, ops::elu_feature_backward);
}

Variable l2_norm(Tape& tape, const Variable& x, std::int64_t heads) {
  return unary(
      tape, "l2_norm", x, like(x.value()), [=](const Tensor& u, const Tensor& y) { ops::l2_norm_forward(u, heads, y); },
      [=](const Tensor& u, const Tensor& dy, const Tensor& dx) { ops::l2_norm_backward(u, heads, dy, dx); });
}

Variable append_one(Tape& tape, const Variable& x, std::int64_t heads) {
  const Tensor result = Tensor::empty(with_width(x.value(), x.value().dim(-1) + heads), x.value().dtype());
  return unary(
      tape, "append_one", x, result, [=](const Tensor& u, const Tensor& y) { ops::append_one_forward(u, heads, y); },
      [=](const Tensor&, const Tensor& dy, const Tensor& dx) { ops::append_one_backward(dy, heads, dx); });
}

Variable divide_by_last(Tape& tape, const Variable& x, std::int64_t heads) {
  const Tensor result = Tensor::empty(with_width(x.value(), x.value().dim(-1) - heads), x.value().dtype());
  return unary(
      tape, "divide_by_last", x, result,
      [=](const Tensor& u, const Tensor& y) { ops::divide_by_last_forward(u, heads, y); },
      [=](const Tensor& u, const Tensor& dy, const Tensor& dx) { ops::divide_by_last_backward(u, heads, dy, dx); });
}

Variable short_convolution(Tape& tape, const ops::ConvolutionRows& rows, const Variable& edge, const Variable& x,
                           const Variable& weight, const Variable& bias) {
  const Variable y(like(x.value()));
  ops::short_convolution_forward(rows, edge.value(), x.value(), weight.value(),
                                 bias.defined() ? bias.value() : Tensor(), y.value());
  tape.record("short_convolution", [=] {
    const Tensor dedge = like(edge.value()), dx = like(x.value());
    ops::short_convolution_backward(rows, edge.value(), x.value(), weight.value(), y.take_gradient(), dedge, dx,
                                    weight.gradient(), bias.defined() ? bias.gradient() : Tensor());
    edge.add_gradient(dedge);
    x.add_gradient(dx);
  });
  return y;
}

}  // namespace longspan
