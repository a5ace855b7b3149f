#include "ops/write_rows.hpp"

#include "tensor/device.hpp"

namespace longspan::ops {

void write_rows(const Tensor& from, const Tensor& to, std::int64_t row) {
  const std::int64_t n = from.dim(-2), m = to.dim(-2), cols = from.dim(-1);
  LONGSPAN_CHECK(from.dtype() == to.dtype() && to.dim(-1) == cols && row >= 0 && row + n <= m,
                 "[write_rows] {} at row {} of {}", from.shape().str(), row, to.shape().str());
  if (from.size() == 0) return;
  const std::int64_t groups = from.size() / (n * cols);
  const auto size = static_cast<std::int64_t>(size_of(from.dtype()));
  for (std::int64_t g = 0; g < groups; ++g) {
    device::copy_on_device(static_cast<char*>(to.raw()) + (g * m + row) * cols * size,
                           static_cast<const char*>(from.raw()) + g * n * cols * size,
                           static_cast<std::size_t>(n * cols * size));
  }
}

}  // namespace longspan::ops
