// A dense row-major array with a run-time dtype on the device. Copies of a Tensor share its storage; reshape and
// slice are views. Storage comes from the accounting pool and goes back with the last Tensor that refers to it.
// New storage is not initialised.
#pragma once

#include <memory>
#include <vector>

#include "tensor/dtype.hpp"
#include "tensor/memory.hpp"
#include "tensor/shape.hpp"

namespace longspan {

class Tensor {
 public:
  Tensor() = default;  // undefined: no shape, no storage

  static Tensor empty(const Shape& shape, Dtype dtype, Memory category = Memory::activations,
                      const char* label = "activation");
  static Tensor zeros(const Shape& shape, Dtype dtype, Memory category = Memory::activations,
                      const char* label = "activation");
  template <class T>
  static Tensor from_host(const std::vector<T>& values, const Shape& shape, Memory category = Memory::activations,
                          const char* label = "activation") {
    LONGSPAN_CHECK(static_cast<std::int64_t>(values.size()) == shape.size(), "[tensor] {} values for shape {}",
                   values.size(), shape.str());
    Tensor t = empty(shape, dtype_of<T>(), category, label);
    t.copy_from_host(values.data());
    return t;
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  std::int64_t dim(int i) const { return shape_[i]; }
  std::int64_t size() const { return shape_.size(); }
  std::int64_t rows() const { return shape_.rows(); }
  Dtype dtype() const { return dtype_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * size_of(dtype_); }

  // Device pointer to the first element.
  void* raw() const { return raw_; }
  template <class T>
  T* data() const {
    LONGSPAN_CHECK(dtype_ == dtype_of<T>(), "[tensor] holds {}, was read as {}", to_string(dtype_),
                   to_string(dtype_of<T>()));
    return static_cast<T*>(raw_);
  }

  Tensor reshape(const Shape& shape) const;                    // same storage, same size
  Tensor slice(std::int64_t first, std::int64_t count) const;  // same storage, rows of dimension 0
  // No other Tensor refers to this storage, so that it may be overwritten in place.
  bool sole_owner() const { return storage_.use_count() == 1; }

  template <class T>
  std::vector<T> to_host() const {
    LONGSPAN_CHECK(dtype_ == dtype_of<T>(), "[tensor] holds {}, was read as {}", to_string(dtype_),
                   to_string(dtype_of<T>()));
    std::vector<T> values(static_cast<std::size_t>(size()));
    copy_to_host(values.data());
    return values;
  }
  void copy_to_host(void* host) const;          // size() elements of dtype()
  void copy_from_host(const void* host) const;  // size() elements of dtype()
  void set_zero() const;

 private:
  struct Storage;
  Shape shape_;
  Dtype dtype_ = Dtype::float32;
  std::shared_ptr<Storage> storage_;
  void* raw_ = nullptr;
};

}  // namespace longspan
