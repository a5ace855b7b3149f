#include "tensor/tensor.hpp"

#include <cstring>

#include "tensor/device.hpp"

namespace longspan {

struct Tensor::Storage {
  Storage(std::size_t bytes, Dtype dtype, Memory category, const char* label)
      : pool(MemoryPool::instance()), bytes(bytes), category(category), data(pool.allocate(bytes, category, label)) {
    if (pool.shape_only() && is_integer(dtype)) values = std::make_unique<char[]>(bytes);
  }
  ~Storage() { pool.release(data, bytes, category); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  MemoryPool& pool;
  std::size_t bytes;
  Memory category;
  void* data;
  std::unique_ptr<char[]> values;  // of an integer tensor in shape-only execution: what the host wrote
};

Tensor Tensor::empty(const Shape& shape, Dtype dtype, Memory category, const char* label) {
  Tensor t;
  t.shape_ = shape;
  t.dtype_ = dtype;
  t.storage_ = std::make_shared<Storage>(t.bytes(), dtype, category, label);
  t.raw_ = t.storage_->values ? t.storage_->values.get() : t.storage_->data;
  return t;
}

Tensor Tensor::zeros(const Shape& shape, Dtype dtype, Memory category, const char* label) {
  Tensor t = empty(shape, dtype, category, label);
  t.set_zero();
  return t;
}

Tensor Tensor::reshape(const Shape& shape) const {
  LONGSPAN_CHECK(shape.size() == size(), "[reshape] {} does not hold as many elements as {}", shape.str(),
                 shape_.str());
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::slice(std::int64_t first, std::int64_t count) const {
  LONGSPAN_CHECK(shape_.rank() > 0 && first >= 0 && count >= 0 && first + count <= shape_[0],
                 "[slice] rows {} to {} of {}", first, first + count, shape_.str());
  Tensor t = *this;
  const std::int64_t row = shape_[0] == 0 ? 0 : size() / shape_[0];
  t.shape_[0] = count;
  t.raw_ = static_cast<char*>(raw_) + static_cast<std::size_t>(first * row) * size_of(dtype_);
  return t;
}

void Tensor::copy_to_host(void* host) const {
  if (!storage_->pool.shape_only()) return device::copy_to_host(host, raw_, bytes());
  if (storage_->values) {
    std::memcpy(host, raw_, bytes());
  } else {
    std::memset(host, 0, bytes());
  }
}

void Tensor::copy_from_host(const void* host) const {
  if (!storage_->pool.shape_only()) return device::copy_from_host(raw_, host, bytes());
  if (storage_->values) std::memcpy(raw_, host, bytes());
}

// All-zero bits are zero in every dtype.
void Tensor::set_zero() const {
  if (size() == 0) return;
  if (!storage_->pool.shape_only()) return device::fill_bytes(raw_, 0, bytes());
  if (storage_->values) std::memset(raw_, 0, bytes());
}

}  // namespace longspan
