// Each thread makes rectangles of C on its own: rows in chunks, columns in strips of some panels, the sum in parts. Of
// each part it packs B's strip, and goes over the chunk a few rows at a time, which stay in its second cache together
// with a panel. The parts add up in C, or where that is bfloat16 in a float32 copy of chunk and strip.
#include "ops/cpu/matmul_panels.hpp"

#include <algorithm>

#include "layout/split.hpp"
#include "ops/cpu/narrow.hpp"
#include "ops/cpu/panels.hpp"
#include "ops/math.hpp"
#include "tensor/device.hpp"
#include "tensor/view.hpp"

namespace longspan::ops::detail {
namespace {

// Whether the processor multiplies tiles of bfloat16, many times as fast as pairs; oneDNN uses them.
#ifdef __AMX_BF16__
constexpr bool kHasTiles = true;
#else
constexpr bool kHasTiles = false;
#endif

// In float32, as measured: with AVX-512 up to 1.1 times as fast as oneDNN, with AVX2 0.9 times.
constexpr bool kFasterThanLibrary = kHasVectors && kLanes == 16;

// Of a part a panel lies in the second cache; with narrow panels, which fewer steps fill with results, in the first.
constexpr std::int64_t kPartSteps = kPanel == 64 ? 512 : 256, kPackedRows = 16 * kBlockRows, kChunk = 12 * kPackedRows;
constexpr std::int64_t kStrip = 512, kWideStrip = 3072;
constexpr std::int64_t kLeast = 32, kLeastWork = 1 << 25;

std::int64_t parts_of(std::int64_t n, std::int64_t most) { return (n + most - 1) / most; }
// n in as few parts of at most `most` as may be, all alike but for the last: how much of each, in whole units.
std::int64_t split_alike(std::int64_t n, std::int64_t most, std::int64_t unit) {
  return parts_of(parts_of(n, parts_of(n, most)), unit) * unit;
}

// How a product is cut.
struct Cut {
  bool packs_rows;  // of A: where they are no steps of a sum as they lie
  bool copies;      // sums of C, where that is bfloat16
  bool in_one_part;
  std::int64_t steps;  // of a part, at most
  // Rows must be packed for each strip, and are worth a wide one, unless sums of its width are copied. Sums of one part
  // are done after some rows, and their chunks need no end.
  std::int64_t chunk, strip;

  Cut(const MatmulSize& size, const MatrixRef& a, const MatrixRef& c, std::int64_t steps_of_sum)
      : packs_rows(a.transposed || (a.dtype == Dtype::bfloat16 && !kHasPairs)),
        copies(c.dtype == Dtype::bfloat16),
        in_one_part(steps_of_sum <= kPartSteps),
        steps(std::min(steps_of_sum, kPartSteps)),
        chunk(in_one_part ? size.m : kChunk),
        strip(packs_rows && !copies ? kWideStrip : kStrip) {}
};

// Rows and columns are shared among rows * cols threads.
struct Grid {
  std::int64_t rows, cols;
};

// The most that a thread of a grid gets, in whole blocks of rows and panels of columns.
MatmulSize share_of_thread(const MatmulSize& size, const Grid& grid) {
  return {parts_of(parts_of(size.m, kBlockRows), grid.rows) * kBlockRows,
          parts_of(parts_of(size.n, kPanel), grid.cols) * kPanel, size.k};
}

// The grid whose threads have the least to do: products, a vector of results a cycle and step, and about a cycle for
// each word that is packed.
Grid choose_grid(const MatmulSize& size, const Cut& cut, std::int64_t threads) {
  Grid best{1, 1};
  std::int64_t least = INT64_MAX;
  for (std::int64_t rows = 1; rows <= threads; ++rows) {
    const Grid grid{rows, threads / rows};
    const MatmulSize share = share_of_thread(size, grid);
    const std::int64_t m = share.m, n = std::min(size.n, share.n);
    const std::int64_t cycles =
        m * parts_of(n, kLanes) + n * parts_of(m, cut.chunk) + (cut.packs_rows ? m * parts_of(n, cut.strip) : 0);
    if (cycles < least) best = grid, least = cycles;
  }
  return best;
}

// Where a thread packs its share, and how much room that takes. All of it in floats and words of the same size.
struct Room {
  std::int64_t strip, rows, sums;

  Room(const MatmulSize& share, const Cut& cut)
      : strip(cut.steps * cut.strip),
        rows(words_of_bands(kPackedRows, cut.steps)),
        sums(cut.copies ? std::min(share.m, cut.in_one_part ? kPackedRows : kChunk) * cut.strip : 0) {}
  std::int64_t floats() const { return (strip + rows + sums + 15) / 16 * 16; }
};

// Where the parts of a chunk and strip add up.
struct Sums {
  float* data;
  std::int64_t row;
  bool of_some_rows;  // no room for more

  float* at(std::int64_t i) const { return of_some_rows ? data : data + i * row; }
};

template <class T>
struct Rectangle {
  using Step = StepOf<T>;
  static constexpr int kNumbers = kNumbersOfStep<Step>;

  MatrixRef a, b, c;
  const MatmulSize& size;
  const MatmulOptions& options;
  const Cut& cut;
  Step *strip, *packed_rows;
  float* copy;  // of sums

  void make(const Range& rows, const Range& cols) const {
    if (rows.size() == 0 || cols.size() == 0) return;
    const std::int64_t chunk = split_alike(rows.size(), cut.chunk, kBlockRows),
                       some = split_alike(cols.size(), cut.strip, kPanel);
    for (std::int64_t i = rows.begin; i < rows.end; i += chunk) {
      for (std::int64_t j = cols.begin; j < cols.end; j += some) {
        make_strip({i, std::min(rows.end, i + chunk)}, {j, std::min(cols.end, j + some)});
      }
    }
  }

  void make_strip(const Range& rows, const Range& cols) const {
    const Sums sums = cut.copies
                          ? Sums{copy, cut.strip, cut.in_one_part}
                          : Sums{static_cast<float*>(c.data) + rows.begin * c.leading + cols.begin, c.leading, false};
    const std::int64_t part = split_alike(size.k, kPartSteps * kNumbers, kLanes * kNumbers);
    for (std::int64_t k = 0; k < size.k; k += part) {
      add_part(rows, cols, {k, std::min(size.k, k + part)}, sums, k > 0 || (options.accumulate && !cut.copies));
    }
  }

  void add_part(const Range& rows, const Range& cols, const Range& part, const Sums& sums, bool add) const {
    const auto steps = static_cast<int>(steps_of<Step>(part.size()));
    for (std::int64_t j = cols.begin; j < cols.end; j += kPanel) {
      pack_panel(part, {j, std::min(cols.end, j + kPanel)}, strip + (j - cols.begin) * steps);
    }
    const std::int64_t group = split_alike(rows.size(), kPackedRows, kBlockRows);
    for (std::int64_t i = rows.begin; i < rows.end; i += group) {
      const int count = static_cast<int>(std::min(group, rows.end - i));
      const StepRows<Step> some = rows_of_a(i, count, part);
      float* const first = sums.at(i - rows.begin);
      for (std::int64_t j = 0; j < cols.size(); j += kPanel) {
        multiply_panel(some, count, strip + j * steps, kPanel, steps, first + j, sums.row,
                       static_cast<int>(std::min<std::int64_t>(kPanel, cols.size() - j)), add);
      }
      if (part.end < size.k) continue;
      for (int r = 0; r < count; ++r) finish_row(first + r * sums.row, i + r, cols);
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

  // Rows [i, i + count) of a.
  StepRows<Step> rows_of_a(std::int64_t i, int count, const Range& part) const {
    const T* const from = static_cast<const T*>(a.data);
    const int numbers = static_cast<int>(part.size());
    if (a.transposed)
      return columns_in_bands(from + part.begin * a.leading + i, a.leading, numbers, count, packed_rows);
    const T* const first = from + i * a.leading + part.begin;
    return as_steps(first, a.leading, numbers, count, packed_rows);
  }

  // Row i of the strip: act(sum + bias), to where c keeps it.
  void finish_row(float* sum, std::int64_t i, const Range& cols) const {
    const auto n = static_cast<int>(cols.size());
    if (options.bias != nullptr) {
      const T* const bias = options.bias->data<T>() + cols.begin;
      for (int j = 0; j < n; ++j) sum[j] += static_cast<float>(bias[j]);
    }
    if (options.activation == Activation::gelu) {
      for (int j = 0; j < n; ++j) sum[j] = math::gelu(sum[j]);
    } else if (options.activation == Activation::silu) {
      for (int j = 0; j < n; ++j) sum[j] = math::silu(sum[j]);
    }
    if (!cut.copies) return;
    auto* const out = static_cast<bfloat16*>(c.data) + i * c.leading + cols.begin;
    if (options.accumulate) {
      for (int j = 0; j < n; ++j) sum[j] += static_cast<float>(out[j]);
    }
    narrow(sum, n, out);
  }
};

// Matrix i of a batch.
MatrixRef matrix_at(const MatrixRef& batch, std::int64_t i) {
  MatrixRef m = batch;
  m.data = static_cast<char*>(m.data) + i * m.batch_stride * static_cast<std::int64_t>(size_of(m.dtype));
  return m;
}

template <class T>
void multiply_matrices(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                       const MatmulOptions& options) {
  using Step = StepOf<T>;
  const std::int64_t threads = device::concurrency();
  Cut cut(size, a, c, steps_of<Step>(size.k));
  const Grid grid = choose_grid(size, cut, parts_of(threads, options.batch));
  const std::int64_t parts = grid.rows * grid.cols, tasks = options.batch * parts, workers = std::min(threads, tasks);
  const MatmulSize most = share_of_thread(size, grid);
  cut.strip = std::min(cut.strip, most.n);
  const Room room(most, cut);
  const ProductWorkspace workspace(static_cast<std::size_t>(workers * room.floats()) * sizeof(float));
  auto* const words = static_cast<float*>(workspace.data());
  // Whole blocks of rows and panels of columns.
  const auto share = [](std::int64_t n, std::int64_t unit, std::int64_t parts, std::int64_t part) {
    const Range units = split(parts_of(n, unit), parts, part);
    return Range{std::min(n, units.begin * unit), std::min(n, units.end * unit)};
  };
  launch("longspan::ops::matmul", RangePolicy(0, workers), [&](std::int64_t worker) {
    float* const own = words + worker * room.floats();
    auto* const steps = reinterpret_cast<Step*>(own);
    const Range share_of_tasks = split(tasks, workers, worker);
    for (std::int64_t task = share_of_tasks.begin; task < share_of_tasks.end; ++task) {
      const std::int64_t i = task / parts, part = task % parts;
      const Rectangle<T> rectangle{matrix_at(a, i),
                                   matrix_at(b, i),
                                   matrix_at(c, i),
                                   size,
                                   options,
                                   cut,
                                   steps,
                                   steps + room.strip,
                                   own + room.strip + room.rows};
      rectangle.make(share(size.m, kBlockRows, grid.rows, part / grid.cols),
                     share(size.n, kPanel, grid.cols, part % grid.cols));
    }
  });
}

}  // namespace

bool fits_panels(const MatmulSize& size, const MatrixRef& a, const MatmulOptions& options) {
  const bool is_large =
      options.batch == 1 && std::min({size.m, size.n, size.k}) >= kLeast && size.m * size.n * size.k >= kLeastWork;
  if (a.dtype == Dtype::float32) return kFasterThanLibrary && is_large;
  return !kHasPairs || (is_large && !kHasTiles);
}

void multiply_in_panels(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                        const MatmulOptions& options) {
  if (a.dtype == Dtype::bfloat16) return multiply_matrices<bfloat16>(size, a, b, c, options);
  multiply_matrices<float>(size, a, b, c, options);
}

}  // namespace longspan::ops::detail
