// Whole numbers that kernels read from a tensor and the host's loops from a vector: what is where. Kept in both places,
// so that a step never waits for the device to learn them.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tensor/tensor.hpp"

namespace longspan {

class Indices {
 public:
  Indices() = default;
  Indices(std::vector<std::int32_t> values, const Shape& shape)
      : device_(Tensor::from_host(values, shape)),
        host_(std::make_shared<const std::vector<std::int32_t>>(std::move(values))) {}

  bool defined() const { return device_.defined(); }
  const Tensor& device() const { return device_; }  // int32
  const std::vector<std::int32_t>& host() const { return *host_; }
  const Shape& shape() const { return device_.shape(); }

 private:
  Tensor device_;
  std::shared_ptr<const std::vector<std::int32_t>> host_;
};

}  // namespace longspan
