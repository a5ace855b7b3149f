// Element types, known at run time. Floating types carry data; integer types carry tokens and positions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/bfloat16.hpp"

namespace longspan {

enum class Dtype { float64, float32, bfloat16, int32, int64 };

std::size_t size_of(Dtype dtype);
bool is_integer(Dtype dtype);
const char* to_string(Dtype dtype);

// float64, float32 or bfloat16; anything else is a UserError that names `key`.
Dtype parse_float_dtype(const std::string& text, const std::string& key);

// The type in which values of a dtype are summed: float64 for float64, float32 for float32 and bfloat16.
Dtype accumulation_dtype(Dtype dtype);

template <class T>
constexpr Dtype dtype_of();
template <>
constexpr Dtype dtype_of<double>() {
  return Dtype::float64;
}
template <>
constexpr Dtype dtype_of<float>() {
  return Dtype::float32;
}
template <>
constexpr Dtype dtype_of<bfloat16>() {
  return Dtype::bfloat16;
}
template <>
constexpr Dtype dtype_of<std::int32_t>() {
  return Dtype::int32;
}
template <>
constexpr Dtype dtype_of<std::int64_t>() {
  return Dtype::int64;
}

// The C++ counterpart of accumulation_dtype.
template <class T>
struct accumulation {
  using type = float;
};
template <>
struct accumulation<double> {
  using type = double;
};
template <class T>
using accumulation_t = typename accumulation<T>::type;

}  // namespace longspan
