#include "autograd/functions/basic.hpp"

#include "ops/activation.hpp"
#include "ops/dropout.hpp"
#include "ops/elementwise.hpp"
#include "ops/embedding.hpp"
#include "ops/norm.hpp"

namespace longspan {
namespace {

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()); }

Tensor by_rows(const Tensor& x) { return x.reshape({x.rows(), x.dim(-1)}); }

Tensor statistics(const Tensor& x) { return Tensor::empty({x.rows()}, accumulation_dtype(x.dtype())); }

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias) {
  const Tensor& w = weight.value();
  const auto [in, arrival] = x.arriving_value();
  LONGSPAN_CHECK(in.dim(-1) == w.dim(1), "[linear] x {} does not fit weight {}", in.shape().str(), w.shape().str());
  Shape shape = in.shape();
  shape[-1] = w.dim(0);
  const Variable y(Tensor::empty(shape, in.dtype()));
  ops::MatmulOptions options;
  if (bias.defined()) options.bias = &bias.value();
  as_they_arrive(arrival.get(), in.rows(), [&, rows = by_rows(in), out = by_rows(y.value())](const Range& r) {
    ops::matmul(ops::MatrixRef(rows.slice(r.begin, r.size())), ops::MatrixRef(w).t(),
                ops::MatrixRef(out.slice(r.begin, r.size())), options);
  });
  // The weight part needs dy after the input part has taken it.
  const auto dy = std::make_shared<Tensor>();
  const Tape::Part weight_part = [=] {
    ops::matmul(ops::MatrixRef(*dy).t(), ops::MatrixRef(x.value()), ops::MatrixRef(weight.gradient()),
                {.accumulate = true});
    if (bias.defined()) ops::add_column_sums(*dy, bias.gradient());
    *dy = Tensor();
  };
  const Tape::Part input_part = [=] {
    const auto [gradient, arriving] = y.take_arriving_gradient();
    *dy = gradient;
    const auto dx = x.needs_gradient() ? x.gradient_slot() : Variable::Slot{};
    as_they_arrive(arriving.get(), gradient.rows(), [&](const Range& r) {
      if (!dx.tensor.defined()) return;
      ops::matmul(ops::MatrixRef(by_rows(gradient).slice(r.begin, r.size())), ops::MatrixRef(weight.value()),
                  ops::MatrixRef(by_rows(dx.tensor).slice(r.begin, r.size())), {.accumulate = dx.accumulate});
    });
  };
  if (tape.recording() && x.late_parts()) {
    x.late_parts()->push_back(weight_part);
    tape.record("linear", input_part);
  } else {
    tape.record("linear", input_part, weight_part);
  }
  return y;
}

std::vector<Variable> split_columns(Tape& tape, const Variable& x, const std::vector<std::int64_t>& widths) {
  std::vector<Variable> parts;
  std::int64_t first = 0;
  for (const std::int64_t width : widths) {
    Shape shape = x.value().shape();
    shape[-1] = width;
    parts.emplace_back(Tensor::empty(shape, x.value().dtype()));
    ops::copy_columns(x.value(), first, parts.back().value());
    first += width;
  }
  LONGSPAN_CHECK(first == x.value().dim(-1), "[split_columns] {} columns of {}", first, x.value().shape().str());
  tape.record("split_columns", [=] {
    const Tensor dx = like(x.value());
    dx.set_zero();  // parts that nobody used
    std::int64_t column = 0;
    for (const Variable& part : parts) {
      if (part.gradient().defined()) ops::write_columns(part.take_gradient(), dx, column);
      column += part.value().dim(-1);
    }
    x.add_gradient(dx);
  });
  return parts;
}

Variable add(Tape& tape, const Variable& a, const Variable& b) {
  const Variable y(like(a.value()));
  ops::add(a.value(), b.value(), y.value());
  tape.record("add", [=] {
    const Tensor dy = y.take_gradient();
    a.add_gradient(dy);
    b.add_gradient(dy);
  });
  return y;
}

Variable activation(Tape& tape, ops::Activation kind, const Variable& x) {
  const Variable y(like(x.value()));
  ops::activation_forward(kind, x.value(), y.value());
  tape.record("activation", [=] {
    const Tensor dy = y.take_gradient();
    const Tensor dx = dy.sole_owner() ? dy : like(dy);
    ops::activation_backward(kind, x.value(), dy, dx);
    x.add_gradient(dx);
  });
  return y;
}

Variable swiglu(Tape& tape, const Variable& gate, const Variable& up) {
  const Variable y(like(gate.value()));
  ops::swiglu_forward(gate.value(), up.value(), y.value());
  tape.record("swiglu", [=] {
    const Tensor dy = y.take_gradient(), dgate = like(dy), dup = like(dy);
    ops::swiglu_backward(gate.value(), up.value(), dy, dgate, dup);
    gate.add_gradient(dgate);
    up.add_gradient(dup);
  });
  return y;
}

Variable layer_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias, double epsilon) {
  const Variable y(like(x.value()));
  const Tensor mean = statistics(x.value()), rstd = statistics(x.value());
  ops::layer_norm_forward(x.value(), weight.value(), bias.value(), epsilon, y.value(), mean, rstd);
  tape.record("layer_norm", [=] {
    const Tensor dy = y.take_gradient();
    const auto dx = x.gradient_slot();
    ops::layer_norm_backward(x.value(), weight.value(), mean, rstd, dy, dx.tensor, dx.accumulate, weight.gradient(),
                             bias.gradient());
  });
  return y;
}

Variable rms_norm(Tape& tape, const Variable& x, const Variable& weight, double epsilon) {
  const Variable y(like(x.value()));
  const Tensor rstd = statistics(x.value());
  ops::rms_norm_forward(x.value(), weight.value(), epsilon, y.value(), rstd);
  tape.record("rms_norm", [=] {
    const Tensor dy = y.take_gradient();
    const auto dx = x.gradient_slot();
    ops::rms_norm_backward(x.value(), weight.value(), rstd, dy, dx.tensor, dx.accumulate, weight.gradient());
  });
  return y;
}

Variable rotate_heads(Tape& tape, const Variable& x, const ops::RotaryTable& rotary, std::int64_t heads) {
  if (!rotary.defined()) return x;
  const Tensor& rows = x.value();
  const Shape shape{rows.dim(0), heads, rows.dim(1), rows.dim(2) / heads};
  const auto by_head = [shape, dtype = rows.dtype()] {
    return Tensor::empty(shape, dtype, Memory::workspace, "rotated heads");
  };
  const Variable y(like(rows));
  const Tensor rotated = by_head();
  ops::split_heads(rows, rotary, rotated);
  ops::merge_heads(rotated, {}, y.value());
  tape.record("rotate_heads", [=] {
    const Tensor dheads = by_head();
    ops::split_heads(y.take_gradient(), {}, dheads);
    const auto dx = x.gradient_slot();
    ops::merge_heads(dheads, rotary, dx.tensor, dx.accumulate);
  });
  return y;
}

Variable embedding(Tape& tape, const Variable& table, const Tensor& index, std::int64_t first) {
  Shape shape = index.shape();
  shape.push_back(table.value().dim(1));
  const Variable y(Tensor::empty(shape, table.value().dtype()));
  ops::embedding_forward(table.value(), index, first, y.value());
  tape.record("embedding", {}, [=] { ops::embedding_backward(y.take_gradient(), index, first, table.gradient()); });
  return y;
}

Variable copied(Tape& tape, const Variable& x) {
  const Variable y(like(x.value()));
  ops::copy(x.value(), y.value());
  tape.record("copied", [=] { x.add_gradient(y.take_gradient()); });
  return y;
}

Variable dropout(Tape& tape, const Variable& x, double rate, std::uint64_t key, const Tensor& rows,
                 std::int64_t global_cols, std::int64_t first_col) {
  if (rate == 0) return x;
  const Variable y(like(x.value()));
  ops::dropout(x.value(), rate, key, rows, global_cols, first_col, y.value());
  tape.record("dropout", [=] {
    const Tensor dy = y.take_gradient();
    const Tensor dx = dy.sole_owner() ? dy : like(dy);
    ops::dropout(dy, rate, key, rows, global_cols, first_col, dx);
    x.add_gradient(dx);
  });
  return y;
}

}  // namespace longspan
