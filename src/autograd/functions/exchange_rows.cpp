#include "autograd/functions/exchange_rows.hpp"

#include <algorithm>
#include <numeric>

#include "ops/gather_rows.hpp"

namespace longspan {
namespace {

// Row numbers of a batch [B, length], rank block by rank block and within it sequence by sequence.
std::vector<std::int64_t> batch_rows(const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& per_rank,
                                     std::int64_t batch, std::int64_t length) {
  std::vector<std::int64_t> all;
  std::int64_t first = 0;
  for (const std::int64_t count : per_rank) {
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t i = 0; i < count; ++i) all.push_back(b * length + rows[static_cast<std::size_t>(first + i)]);
    }
    first += count;
  }
  return all;
}

std::vector<std::int64_t> times(std::vector<std::int64_t> counts, std::int64_t factor) {
  for (std::int64_t& n : counts) n *= factor;
  return counts;
}

Tensor index_tensor(const std::vector<std::int64_t>& values) {
  return Tensor::from_host(values, {static_cast<std::int64_t>(values.size())}, Memory::workspace, "row numbers");
}

struct Sorted {
  Tensor order, starts;
};
Sorted sort_by_row(const std::vector<std::int64_t>& rows, std::int64_t count) {
  std::vector<std::int64_t> order(rows.size()), starts(static_cast<std::size_t>(count) + 1, 0);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return rows[static_cast<std::size_t>(a)] < rows[static_cast<std::size_t>(b)];
  });
  for (const std::int64_t r : rows) ++starts[static_cast<std::size_t>(r) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  return {index_tensor(order), index_tensor(starts)};
}

Tensor message(std::int64_t rows, std::int64_t cols, Dtype dtype) {
  return Tensor::empty({rows, cols}, dtype, Memory::communication, "exchanged rows");
}

}  // namespace

Variable exchange_rows(Tape& tape, const Variable& x, std::shared_ptr<const RowExchange> plan, const Comm& axis) {
  const Tensor& rows = x.value();
  const std::int64_t b = rows.dim(0), t = rows.dim(1), c = rows.dim(2);
  const auto wanted = static_cast<std::int64_t>(plan->receive.size());
  const std::vector<std::int64_t> leaving = batch_rows(plan->send, plan->send_rows, b, t);
  const std::vector<std::int64_t> arriving = batch_rows(plan->receive, plan->receive_rows, b, wanted);
  const auto leaves = static_cast<std::int64_t>(leaving.size()), arrives = static_cast<std::int64_t>(arriving.size());

  const Variable y(Tensor::empty({b, wanted, c}, rows.dtype()));
  {
    const Tensor send = message(leaves, c, rows.dtype()), receive = message(arrives, c, rows.dtype());
    ops::gather_rows(rows, index_tensor(leaving), send);
    axis.all_to_all(send, times(plan->send_rows, b), receive, times(plan->receive_rows, b));
    ops::scatter_rows(receive, index_tensor(arriving), y.value());
  }
  tape.record("exchange_rows", [=, &axis] {
    const Tensor dy = y.take_gradient();
    const Tensor send = message(arrives, c, dy.dtype()), receive = message(leaves, c, dy.dtype());
    ops::gather_rows(dy, index_tensor(arriving), send);
    axis.all_to_all(send, times(plan->receive_rows, b), receive, times(plan->send_rows, b));
    const auto dx = x.gradient_slot();
    if (!dx.accumulate) dx.tensor.set_zero();
    const Sorted sorted = sort_by_row(leaving, b * t);
    ops::add_rows(receive, sorted.order, sorted.starts, dx.tensor);
  });
  return y;
}

}  // namespace longspan
