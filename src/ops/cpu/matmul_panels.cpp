// Each thread makes a rectangle of C on its own: rows in chunks, columns in strips of a few panels, the sum in parts.
// Of each part it packs B's strip into its second cache, and goes over the rows. C gathers the parts; where it is
// bfloat16, or a bias or an activation follows, a float32 copy of chunk and strip does.
#include "ops/cpu/matmul_panels.hpp"

#include <algorithm>

#include "layout/split.hpp"
#include "ops/cpu/panels.hpp"
#include "ops/math.hpp"
#include "tensor/device.hpp"
#include "tensor/view.hpp"

namespace longspan::ops::detail {
namespace {

constexpr std::int64_t kPartSteps = 256, kChunk = 1024, kPackedRows = 64;
constexpr std::int64_t kLeast = 32, kLeastWork = 1 << 25;

// Columns of a strip: rows that must be packed for each are worth a wider one.
std::int64_t strip_of(const MatrixRef& a) { return (a.transposed ? 8 : 4) * kPanel; }

std::int64_t parts_of(std::int64_t n, std::int64_t most) { return (n + most - 1) / most; }

// Rows and columns are shared among rows * cols threads.
struct Grid {
  std::int64_t rows, cols;
};

// The grid whose largest rectangle is smallest.
Grid choose_grid(const MatmulSize& size) {
  const std::int64_t threads = device::concurrency();
  Grid best{1, 1};
  std::int64_t least = INT64_MAX;
  for (std::int64_t rows = 1; rows <= threads; ++rows) {
    const std::int64_t cols = threads / rows;
    const std::int64_t work = parts_of(parts_of(size.m, kBlockRows), rows) * kBlockRows *
                              std::min(size.n, parts_of(parts_of(size.n, kPanel), cols) * kPanel);
    if (work < least) best = {rows, cols}, least = work;
  }
  return best;
}

// Where a thread packs, and how much room that takes. All of it in floats and words of the same size.
struct Room {
  std::int64_t width, strip, rows, sums;

  Room(const MatmulSize& size, const MatrixRef& a, std::int64_t steps, bool copies_c)
      : width(std::min(parts_of(size.n, kPanel) * kPanel, strip_of(a))),
        strip(std::min(steps, kPartSteps) * width),
        rows(std::min(steps, kPartSteps) * kPackedRows),
        sums(copies_c ? std::min(size.m, kChunk) * width : 0) {}
  std::int64_t floats() const { return (strip + rows + sums + 15) / 16 * 16; }
};

template <class T>
struct Rectangle {
  using Step = StepOf<T>;
  static constexpr int kNumbers = kNumbersOfStep<Step>;

  const MatmulSize& size;
  const MatrixRef &a, &b, &c;
  const MatmulOptions& options;
  Step *strip, *packed_rows;
  float* sums;         // null: c gathers the sums itself
  std::int64_t width;  // of a strip

  void make(const Range& rows, const Range& cols) const {
    for (std::int64_t i = rows.begin; i < rows.end; i += kChunk) {
      for (std::int64_t j = cols.begin; j < cols.end; j += width) {
        make_strip({i, std::min(rows.end, i + kChunk)}, {j, std::min(cols.end, j + width)});
      }
    }
  }

  void make_strip(const Range& rows, const Range& cols) const {
    const std::int64_t part = split_evenly(size.k);
    for (std::int64_t k = 0; k < size.k; k += part) {
      add_part(rows, cols, {k, std::min(size.k, k + part)}, k > 0 || (options.accumulate && sums == nullptr));
    }
  }

  // Numbers of a part of the sum: all parts alike, whole vectors of steps.
  static std::int64_t split_evenly(std::int64_t k) {
    const std::int64_t parts = parts_of(k, kPartSteps * kNumbers);
    return parts_of(parts_of(k, parts), kLanes * kNumbers) * kLanes * kNumbers;
  }

  void add_part(const Range& rows, const Range& cols, const Range& part, bool add) const {
    const auto steps = static_cast<int>(steps_of<Step>(part.size()));
    for (std::int64_t j = cols.begin; j < cols.end; j += kPanel)
      pack_panel(part, {j, std::min(cols.end, j + kPanel)}, strip + (j - cols.begin) * steps);
    for (std::int64_t i = rows.begin; i < rows.end; i += kPackedRows) {
      const int count = static_cast<int>(std::min(kPackedRows, rows.end - i));
      const StepRows<Step> some = rows_of_a(i, count, part);
      for (std::int64_t j = cols.begin; j < cols.end; j += kPanel) {
        float* const to = sums != nullptr ? sums + (i - rows.begin) * width + (j - cols.begin)
                                          : static_cast<float*>(c.data) + i * c.leading + j;
        multiply_panel(some, count, strip + (j - cols.begin) * steps, kPanel, steps, to,
                       sums != nullptr ? width : c.leading,
                       static_cast<int>(std::min<std::int64_t>(kPanel, cols.end - j)), add);
      }
      if (sums != nullptr && part.end == size.k) finish_rows(rows, cols, {i, i + count});
    }
  }

  void pack_panel(const Range& part, const Range& cols, Step* to) const {
    const T* const from = static_cast<const T*>(b.data);
    const int numbers = static_cast<int>(part.size()), count = static_cast<int>(cols.size());
    if (b.transposed) {
      pack_columns(from + cols.begin * b.leading + part.begin, b.leading, numbers, count, to, kPanel);
    } else {
      pack_rows(from + part.begin * b.leading + cols.begin, b.leading, numbers, count, to, kPanel);
    }
  }

  // Rows [i, i + count) of a: as they lie where a row's steps are neighbours, else packed.
  StepRows<Step> rows_of_a(std::int64_t i, int count, const Range& part) const {
    const T* const from = static_cast<const T*>(a.data);
    const int numbers = static_cast<int>(part.size());
    if (a.transposed) {
      pack_rows(from + part.begin * a.leading + i, a.leading, numbers, count, packed_rows, kPackedRows);
      return {packed_rows, 1, kPackedRows};
    }
    return as_steps(from + i * a.leading + part.begin, a.leading, numbers, count, packed_rows, kPackedRows);
  }

  void finish_rows(const Range& chunk, const Range& cols, const Range& rows) const {
    for (std::int64_t i = rows.begin; i < rows.end; ++i) {
      float* const sum = sums + (i - chunk.begin) * width;
      const std::int64_t at = i * c.leading + cols.begin;
      if (c.dtype == Dtype::bfloat16) finish(sum, static_cast<bfloat16*>(c.data) + at, cols);
      if (c.dtype == Dtype::float32) finish(sum, static_cast<float*>(c.data) + at, cols);
    }
  }

  // c = act(sums + bias), or c += sums.
  template <class C>
  void finish(float* sum, C* out, const Range& cols) const {
    const auto n = static_cast<int>(cols.size());
    if (options.bias != nullptr) {
      const T* const bias = options.bias->data<T>() + cols.begin;
      for (int j = 0; j < n; ++j) sum[j] += static_cast<float>(bias[j]);
    }
    if (options.accumulate) {
      for (int j = 0; j < n; ++j) sum[j] += static_cast<float>(out[j]);
    }
    if (options.activation == Activation::gelu) {
      for (int j = 0; j < n; ++j) sum[j] = math::gelu(sum[j]);
    } else if (options.activation == Activation::silu) {
      for (int j = 0; j < n; ++j) sum[j] = math::silu(sum[j]);
    }
    for (int j = 0; j < n; ++j) out[j] = C(sum[j]);
  }
};

MatrixRef at(const MatrixRef& m, std::int64_t index) {
  MatrixRef one = m;
  one.data = static_cast<char*>(m.data) + index * m.batch_stride * static_cast<std::int64_t>(size_of(m.dtype));
  return one;
}

template <class T>
void multiply_matrices(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                       const MatmulOptions& options) {
  using Step = StepOf<T>;
  const Grid grid = choose_grid(size);
  const bool copies_c = c.dtype == Dtype::bfloat16 || options.bias != nullptr || options.activation != Activation::none;
  const Room room(size, a, steps_of<Step>(size.k), copies_c);
  const ProductWorkspace workspace(static_cast<std::size_t>(grid.rows * grid.cols * room.floats()) * sizeof(float));
  auto* const words = static_cast<float*>(workspace.data());
  const std::int64_t row_blocks = parts_of(size.m, kBlockRows), panels = parts_of(size.n, kPanel);
  launch("longspan::ops::matmul", RangePolicy(0, grid.rows * grid.cols), [=, &options](std::int64_t thread) {
    const Range rows = split(row_blocks, grid.rows, thread / grid.cols),
                cols = split(panels, grid.cols, thread % grid.cols);
    float* const own = words + thread * room.floats();
    auto* const steps = reinterpret_cast<Step*>(own);
    const auto end = [](std::int64_t blocks, std::int64_t width, std::int64_t n) {
      return std::min(blocks * width, n);
    };
    for (std::int64_t i = 0; i < options.batch; ++i) {
      const MatrixRef ai = at(a, i), bi = at(b, i), ci = at(c, i);
      Rectangle<T>{
          size,      ai, bi, ci, options, steps, steps + room.strip, copies_c ? own + room.strip + room.rows : nullptr,
          room.width}
          .make({rows.begin * kBlockRows, end(rows.end, kBlockRows, size.m)},
                {cols.begin * kPanel, end(cols.end, kPanel, size.n)});
    }
  });
}

}  // namespace

bool fits_panels(const MatmulSize& size, const MatrixRef& a, const MatmulOptions& options) {
  const bool has = a.dtype == Dtype::bfloat16 ? kHasPanels<bfloat16> : kHasPanels<float>;
  return has && std::min({size.m, size.n, size.k}) >= kLeast && size.m * size.n * size.k >= kLeastWork &&
         options.batch <= 1;
}

void multiply_in_panels(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                        const MatmulOptions& options) {
  if (a.dtype == Dtype::bfloat16) return multiply_matrices<bfloat16>(size, a, b, c, options);
  multiply_matrices<float>(size, a, b, c, options);
}

}  // namespace longspan::ops::detail
