#include "ops/dropout.hpp"

#include <cmath>

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"
#include "tensor/random.hpp"

namespace longspan::ops {
namespace {

// One Philox call gives the four values of global indices 4 q to 4 q + 3. A row that starts or ends inside such a four
// uses a part of it, so that a value depends on its global index alone.
template <class T>
void dropout_kernel(const Tensor& x, double rate, std::uint64_t key, const Tensor& rows, std::int64_t global_cols,
                    std::int64_t first_col, const Tensor& y) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  T* const out = y.data<T>();
  const std::int64_t* const global_row = rows.data<std::int64_t>();
  const std::int64_t cols = x.dim(-1);
  const A keep_scale = A(1 / (1 - rate));
  // Kept where the word's upper 24 bits reach rate 2^24.
  const auto threshold = static_cast<std::uint32_t>(std::ceil(rate * 16777216.0));
  for_rows(
      "longspan::ops::dropout", x.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t n) {
        const std::int64_t start = global_row[n] * global_cols + first_col;
        const std::int64_t first_four = start / 4, lead = start - 4 * first_four;
        const T* const from = in + n * cols - lead;
        T* const to = out + n * cols - lead;
        const auto keep = [&](std::uint32_t word, std::int64_t c) {
          const A value = A(from[c]) * keep_scale;
          to[c] = T((word >> 8) >= threshold ? value : A(0));
        };
        const std::int64_t end = lead + cols, full_begin = lead == 0 ? 0 : 1, full_end = end / 4;
        const int full = full_end > full_begin ? static_cast<int>(full_end - full_begin) : 0;
        for_columns(team, full, [&](int i) {
          const std::int64_t q = full_begin + i;
          const Philox4 r = philox(key, static_cast<std::uint64_t>(first_four + q), 0);
          keep(r.v[0], 4 * q);
          keep(r.v[1], 4 * q + 1);
          keep(r.v[2], 4 * q + 2);
          keep(r.v[3], 4 * q + 3);
        });
        // The fours at both ends that the row fills in part; they may be the same one.
        for_columns(team, 2, [&](int edge) {
          const std::int64_t q = edge == 0 ? 0 : full_end;
          if (edge == 0 ? lead == 0 : end % 4 == 0 || (q == 0 && lead > 0)) return;
          const Philox4 r = philox(key, static_cast<std::uint64_t>(first_four + q), 0);
          for (int w = 0; w < 4; ++w) {
            if (4 * q + w >= lead && 4 * q + w < end) keep(r.v[w], 4 * q + w);
          }
        });
      });
}

}  // namespace

void dropout(const Tensor& x, double rate, std::uint64_t key, const Tensor& rows, std::int64_t global_cols,
             std::int64_t first_col, const Tensor& y) {
  LONGSPAN_CHECK(x.shape() == y.shape(), "[dropout] shapes {} and {} differ", x.shape().str(), y.shape().str());
  LONGSPAN_CHECK(rate >= 0 && rate < 1, "[dropout] the rate must be in [0, 1), got {}", rate);
  LONGSPAN_CHECK(rows.size() == x.rows(), "[dropout] {} row indices for {} rows", rows.size(), x.rows());
  LONGSPAN_CHECK(first_col >= 0 && first_col + x.dim(-1) <= global_cols,
                 "[dropout] columns from {} of {} lie outside {}", first_col, x.shape().str(), global_cols);
  dispatch_float("dropout", x.dtype(),
                 [&]<class T>() { dropout_kernel<T>(x, rate, key, rows, global_cols, first_col, y); });
}

}  // namespace longspan::ops
