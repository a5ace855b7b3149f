// Copies blocks of heads and rows between tensors [A, H, R, K]: how messages are packed and unpacked.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

// A block of a dense tensor of four dimensions; narrowed by heads (dimension 1) and rows (dimension 2).
class BlockRef {
 public:
  explicit BlockRef(const Tensor& t);  // the whole tensor
  BlockRef heads(std::int64_t first, std::int64_t count) const;
  BlockRef rows(std::int64_t first, std::int64_t count, std::int64_t step = 1) const;  // every step-th row

  const Tensor& tensor() const { return tensor_; }
  std::int64_t offset() const { return offset_; }  // elements
  const std::array<std::int64_t, 4>& extent() const { return extent_; }
  const std::array<std::int64_t, 4>& stride() const { return stride_; }  // elements; 1 in the last dimension

 private:
  Tensor tensor_;
  std::int64_t offset_ = 0;
  std::array<std::int64_t, 4> extent_{}, stride_{};
};

// to = from, to += from; equal extents, any floating dtypes. The blocks do not overlap.
void copy_block(const BlockRef& from, const BlockRef& to);
void add_block(const BlockRef& from, const BlockRef& to);

}  // namespace longspan::ops
