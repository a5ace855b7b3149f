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

// A sum of which each rank gets its rows.
struct RowSum {
  Tensor rows;
  Request request;
};

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
  const Range mine = residual_rows(tensor_axis, whole.rows());
  y.set_arriving_value(
      std::make_shared<Arrival>(Arrival{mine, tensor_axis.all_gather_async(x.value(), as_rows(y.value()), rows)}));
  const Shape shape = x.value().shape();
  const Dtype dtype = x.value().dtype();
  x.release_value();
  if (!tape.recording()) return y;
  // Backward the sum is started, then the weights' gradients of the products are made, then it is waited for.
  const auto sum = std::make_shared<RowSum>();
  const auto late = std::make_shared<Variable::LateParts>();
  y.set_late_parts(late);
  tape.record("gathered rows' gradient", [=] {
    sum->request.wait();
    x.add_gradient(std::exchange(sum->rows, Tensor()));
  });
  tape.record(
      "gather_rows",
      [=, &tensor_axis] {
        sum->rows = Tensor::empty(shape, dtype, Memory::activations, "gradient of rows");
        sum->request = tensor_axis.reduce_scatter_async(as_rows(y.take_gradient()), sum->rows, rows);
      },
      [=] {
        for (const auto& part : std::exchange(*late, {})) {
          part();
          sum->request.test();
        }
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
  const Range mine = residual_rows(tensor_axis, whole.rows());
  tape.record("scatter_rows", [=, &tensor_axis] {
    const Tensor dx = Tensor::empty(whole, dtype, Memory::activations, "gradient of all rows");
    Request request = tensor_axis.all_gather_async(y.take_gradient(), as_rows(dx), rows);
    partial.add_arriving_gradient(dx, std::make_shared<Arrival>(Arrival{mine, std::move(request)}));
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
