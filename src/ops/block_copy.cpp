#include "ops/block_copy.hpp"

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class T>
struct Lines {
  T* first;
  std::int64_t heads, rows, outer_stride, head_stride, row_stride;

  explicit Lines(const BlockRef& b)
      : first(b.tensor().data<T>() + b.offset()),
        heads(b.extent()[1]),
        rows(b.extent()[2]),
        outer_stride(b.stride()[0]),
        head_stride(b.stride()[1]),
        row_stride(b.stride()[2]) {}

  KOKKOS_FORCEINLINE_FUNCTION T* line(std::int64_t i) const {
    return first + i / (heads * rows) * outer_stride + i / rows % heads * head_stride + i % rows * row_stride;
  }
};

template <class From, class To, bool kAdd>
void move_lines(const BlockRef& from, const BlockRef& to) {
  const Lines<From> source(from);
  const Lines<To> target(to);
  const auto& extent = from.extent();
  const auto width = static_cast<int>(extent[3]);
  for_rows(
      "longspan::ops::block_copy", extent[0] * extent[1] * extent[2], KOKKOS_LAMBDA(const Team& team, std::int64_t i) {
        const From* const x = source.line(i);
        To* const y = target.line(i);
        for_columns(team, width, [&](int c) {
          using A = accumulation_t<To>;
          const A value = static_cast<A>(x[c]);
          y[c] = To(kAdd ? static_cast<A>(y[c]) + value : value);
        });
      });
}

template <bool kAdd>
void move_block(const BlockRef& from, const BlockRef& to) {
  LONGSPAN_CHECK(from.extent() == to.extent(), "[block_copy] from a block of {} to one of {}",
                 from.tensor().shape().str(), to.tensor().shape().str());
  if (from.extent()[0] * from.extent()[1] * from.extent()[2] * from.extent()[3] == 0) return;
  dispatch_float("block_copy", from.tensor().dtype(), [&]<class From>() {
    dispatch_float("block_copy", to.tensor().dtype(), [&]<class To>() { move_lines<From, To, kAdd>(from, to); });
  });
}

}  // namespace

BlockRef::BlockRef(const Tensor& t) : tensor_(t) {
  LONGSPAN_CHECK(t.shape().rank() == 4, "[block_copy] a block of {}", t.shape().str());
  std::int64_t stride = 1;
  for (int i = 3; i >= 0; --i) {
    extent_[static_cast<std::size_t>(i)] = t.dim(i);
    stride_[static_cast<std::size_t>(i)] = stride;
    stride *= t.dim(i);
  }
}

BlockRef BlockRef::heads(std::int64_t first, std::int64_t count) const {
  LONGSPAN_CHECK(first >= 0 && count >= 0 && first + count <= extent_[1], "[block_copy] heads {} + {} of {}", first,
                 count, extent_[1]);
  BlockRef b = *this;
  b.offset_ += first * stride_[1];
  b.extent_[1] = count;
  return b;
}

BlockRef BlockRef::rows(std::int64_t first, std::int64_t count, std::int64_t step) const {
  LONGSPAN_CHECK(first >= 0 && count >= 0 && step >= 1 && (count == 0 || first + (count - 1) * step < extent_[2]),
                 "[block_copy] {} rows from {} by {} of {}", count, first, step, extent_[2]);
  BlockRef b = *this;
  b.offset_ += first * stride_[2];
  b.extent_[2] = count;
  b.stride_[2] *= step;
  return b;
}

void copy_block(const BlockRef& from, const BlockRef& to) { move_block<false>(from, to); }
void add_block(const BlockRef& from, const BlockRef& to) { move_block<true>(from, to); }

}  // namespace longspan::ops
