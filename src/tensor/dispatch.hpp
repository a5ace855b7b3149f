// Joins a run-time dtype to a kernel template:
//   dispatch_float("gelu", x.dtype(), [&]<class T>() { gelu_kernel<T>(view1<T>(x), view1<T>(y)); });
// The body must call a function template; nvcc allows no device lambda inside a generic lambda.
#pragma once

#include "base/error.hpp"
#include "tensor/dtype.hpp"

namespace longspan {

template <class Body>
void dispatch_float(const char* op, Dtype dtype, Body&& body) {
  switch (dtype) {
    case Dtype::float64:
      return body.template operator()<double>();
    case Dtype::float32:
      return body.template operator()<float>();
    case Dtype::bfloat16:
      return body.template operator()<bfloat16>();
    default:
      LONGSPAN_CHECK(false, "[{}] needs a floating dtype, got {}", op, to_string(dtype));
  }
}

// The same over the types in which values are summed.
template <class Body>
void dispatch_accumulation(const char* op, Dtype dtype, Body&& body) {
  LONGSPAN_CHECK(dtype == Dtype::float64 || dtype == Dtype::float32, "[{}] needs float64 or float32, got {}", op,
                 to_string(dtype));
  return dtype == Dtype::float64 ? body.template operator()<double>() : body.template operator()<float>();
}

}  // namespace longspan
