#include "autograd/functions/tensor_axis.hpp"

#include "ops/elementwise.hpp"

namespace longspan {
namespace {

// A tensor that may be overwritten: t itself where nobody else holds it.
Tensor owned(Tensor t) {
  if (t.sole_owner()) return t;
  const Tensor mine = Tensor::empty(t.shape(), t.dtype());
  ops::copy(t, mine);
  return mine;
}

Tensor as_rows(const Tensor& t) { return t.reshape({t.shape().rows(), t.dim(-1)}); }

std::vector<std::int64_t> rows_of_ranks(const Comm& tensor_axis, std::int64_t n) {
  std::vector<std::int64_t> rows;
  for (int rank = 0; rank < tensor_axis.size(); ++rank) rows.push_back(split(n, tensor_axis.size(), rank).size());
  return rows;
}

}  // namespace

Variable gather_rows(Tape& tape, const Variable& x, const Shape& whole, const Comm& tensor_axis) {
  if (tensor_axis.size() == 1) return x;
  const std::vector<std::int64_t> rows = rows_of_ranks(tensor_axis, whole.rows());
  const Variable y(Tensor::empty(whole, x.value().dtype()));
  tensor_axis.all_gather(x.value(), as_rows(y.value()), rows);
  const Shape mine = x.value().shape();
  const Dtype dtype = x.value().dtype();
  x.release_value();
  tape.record("gather_rows", [=, &tensor_axis] {
    const Tensor dx = Tensor::empty(mine, dtype, Memory::activations, "gradient of rows");
    tensor_axis.reduce_scatter(as_rows(y.take_gradient()), dx, rows);
    x.add_gradient(dx);
  });
  return y;
}

Variable scatter_rows(Tape& tape, const Variable& partial, const Comm& tensor_axis) {
  if (tensor_axis.size() == 1) return partial;
  const Tensor sums = as_rows(partial.value());
  const std::vector<std::int64_t> rows = rows_of_ranks(tensor_axis, sums.dim(0));
  const Variable y(Tensor::empty({rows[static_cast<std::size_t>(tensor_axis.rank())], sums.dim(1)}, sums.dtype()));
  tensor_axis.reduce_scatter(sums, y.value(), rows);
  const Shape whole = partial.value().shape();
  const Dtype dtype = sums.dtype();
  partial.release_value();
  tape.record("scatter_rows", [=, &tensor_axis] {
    const Tensor dx = Tensor::empty(whole, dtype, Memory::activations, "gradient of all rows");
    tensor_axis.all_gather(y.take_gradient(), as_rows(dx), rows);
    partial.add_gradient(dx);
  });
  return y;
}

Variable sum_inside(Tape& tape, const Variable& partial, const Comm& tensor_axis) {
  if (tensor_axis.size() == 1) return partial;
  // A fresh partial sum that no other node reads: its storage becomes the total.
  tensor_axis.all_reduce(partial.value());
  const Variable y(partial.value());
  tape.record("sum_inside", [=, &tensor_axis] {
    const Tensor dx = owned(y.take_gradient());
    tensor_axis.all_reduce(dx);
    partial.add_gradient(dx);
  });
  return y;
}

}  // namespace longspan
