// Between tensors and host values in double, and the distance of two sets of values.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/random_values.hpp"
#include "support/tolerance.hpp"
#include "tensor/tensor.hpp"

namespace longspan::testing {

template <class T>
Tensor tensor_as(const Values& values, const Shape& shape) {
  return Tensor::from_host(std::vector<T>(values.begin(), values.end()), shape);
}
inline Tensor to_tensor(const Values& values, const Shape& shape, Dtype dtype) {
  if (dtype == Dtype::float64) return tensor_as<double>(values, shape);
  if (dtype == Dtype::float32) return tensor_as<float>(values, shape);
  return tensor_as<bfloat16>(values, shape);
}
template <class T>
Values values_as(const Tensor& t) {
  const auto host = t.to_host<T>();
  return Values(host.begin(), host.end());
}
inline Values to_values(const Tensor& t) {
  if (t.dtype() == Dtype::float64) return values_as<double>(t);
  if (t.dtype() == Dtype::float32) return values_as<float>(t);
  return values_as<bfloat16>(t);
}

// max |a - b| / max(1, max |b|); infinite where one is not finite and the other differs.
inline double distance(const Values& a, const Values& b) {
  double scale = 1, worst = a.size() == b.size() ? 0 : INFINITY;
  for (const double x : b) scale = std::isfinite(x) ? std::max(scale, std::abs(x)) : scale;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] == b[i]) continue;
    worst = std::isfinite(a[i] - b[i]) ? std::max(worst, std::abs(a[i] - b[i]) / scale) : INFINITY;
  }
  return worst;
}

// The dtype of `actual` says how close; `what` names it in a failure.
inline void expect_close(const std::string& what, const Tensor& actual, const Values& expected) {
  EXPECT_LE(distance(to_values(actual), expected), tolerance(actual.dtype())) << what << " " << actual.shape().str();
}
inline void expect_close(const std::string& what, const Tensor& actual, const Values& expected, double limit) {
  EXPECT_LE(distance(to_values(actual), expected), limit) << what << " " << actual.shape().str();
}

}  // namespace longspan::testing
