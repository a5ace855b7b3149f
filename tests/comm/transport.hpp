// Fixture that runs a test of communication in the three ways in which a message may travel: whole, cut into tiny
// pieces, staged through another buffer. And small makers of tensors of every dtype.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <ostream>
#include <vector>

#include "comm/device_buffer.hpp"
#include "comm/pieces.hpp"
#include "support/world.hpp"

namespace longspan {

struct Way {
  const char* name;
  std::int64_t limit;  // bytes of a piece
  bool staged;
};
inline void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

class Transport : public testing::TestWithParam<Way> {
 protected:
  Transport() {
    set_message_limit(GetParam().limit);
    stage_always(GetParam().staged);
  }
  ~Transport() override {
    set_message_limit(std::int64_t{1} << 30);
    stage_always(false);
  }
};

inline auto every_way() {
  return testing::Values(Way{"Whole", std::int64_t{1} << 30, false}, Way{"Pieces", 24, false},
                         Way{"Staged", std::int64_t{1} << 30, true}, Way{"StagedPieces", 24, true});
}
inline std::string way_name(const testing::TestParamInfo<Way>& info) { return info.param.name; }

// body(T()) for every element type.
template <class Body>
void for_each_type(const Body& body) {
  body(double());
  body(float());
  body(bfloat16(0.0f));
  body(std::int32_t());
  body(std::int64_t());
}

template <class T>
double number(T value) {
  if constexpr (std::is_same_v<T, bfloat16>)
    return static_cast<float>(value);
  else
    return static_cast<double>(value);
}

template <class T>
Tensor filled(const Shape& shape, const std::function<double(std::int64_t)>& value) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < shape.size(); ++i) values.push_back(T(value(i)));
  return Tensor::from_host(values, shape);
}

template <class T>
void expect_values(const Tensor& t, const std::function<double(std::int64_t)>& value, const std::string& what = "") {
  const std::vector<T> values = t.to_host<T>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = value(static_cast<std::int64_t>(i));
    if (std::isnan(expected) ? std::isnan(number(values[i])) : number(values[i]) == expected) continue;
    ADD_FAILURE() << what << " " << to_string(t.dtype()) << " element " << i << " of " << t.shape().str() << " is "
                  << number(values[i]) << ", not " << expected;
    return;
  }
}

}  // namespace longspan
