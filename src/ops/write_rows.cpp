#include "ops/write_rows.hpp"

#include "tensor/device.hpp"

namespace longspan::ops {
namespace {

// n rows of each leading index, from row `from_row` of blocks of from_rows to row `to_row` of blocks of to_rows.
void copy_blocks(const Tensor& from, std::int64_t from_row, const Tensor& to, std::int64_t to_row, std::int64_t n) {
  const std::int64_t from_rows = from.dim(-2), to_rows = to.dim(-2), cols = to.dim(-1);
  LONGSPAN_CHECK(from.dtype() == to.dtype() && from.dim(-1) == cols && from_row >= 0 && from_row + n <= from_rows &&
                     to_row >= 0 && to_row + n <= to_rows,
                 "[copy_rows] {} rows at {} of {} to {} of {}", n, from_row, from.shape().str(), to_row,
                 to.shape().str());
  if (n * cols == 0) return;
  const std::int64_t groups = to.size() / (to_rows * cols);
  const auto size = static_cast<std::int64_t>(size_of(from.dtype()));
  for (std::int64_t g = 0; g < groups; ++g) {
    device::copy_on_device(static_cast<char*>(to.raw()) + (g * to_rows + to_row) * cols * size,
                           static_cast<const char*>(from.raw()) + (g * from_rows + from_row) * cols * size,
                           static_cast<std::size_t>(n * cols * size));
  }
}

}  // namespace

void write_rows(const Tensor& from, const Tensor& to, std::int64_t row) { copy_blocks(from, 0, to, row, from.dim(-2)); }

void read_rows(const Tensor& from, std::int64_t row, const Tensor& to) { copy_blocks(from, row, to, 0, to.dim(-2)); }

}  // namespace longspan::ops
