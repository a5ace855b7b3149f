// A row-major shape of at most five dimensions; a value type that never allocates.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/error.hpp"

namespace longspan {

class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) {
    LONGSPAN_CHECK(dims.size() <= kMaxRank, "[shape] at most {} dimensions, got {}", kMaxRank, dims.size());
    for (const auto d : dims) push_back(d);
  }

  int rank() const { return rank_; }
  // Negative dimensions count from the end: shape[-1] is the fastest.
  std::int64_t operator[](int dim) const { return dims_[index(dim)]; }
  std::int64_t& operator[](int dim) { return dims_[index(dim)]; }
  void push_back(std::int64_t d) {
    LONGSPAN_CHECK(rank_ < kMaxRank && d >= 0, "[shape] cannot append dimension {}", d);
    dims_[rank_++] = d;
  }
  std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  // Product of all dimensions but the last: the number of rows of the matrix that the tensor is.
  std::int64_t rows() const {
    std::int64_t n = 1;
    for (int i = 0; i + 1 < rank_; ++i) n *= dims_[i];
    return n;
  }
  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i) {
      if (dims_[i] != other.dims_[i]) return false;
    }
    return true;
  }
  std::string str() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(dims_[i]);
    return text + "]";
  }

 private:
  int index(int dim) const {
    const int i = dim < 0 ? dim + rank_ : dim;
    LONGSPAN_CHECK(i >= 0 && i < rank_, "[shape] dimension {} of {}", dim, str());
    return i;
  }

  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace longspan
