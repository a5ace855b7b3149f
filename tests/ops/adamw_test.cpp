#include "ops/adamw.hpp"

#include "reference/adamw.hpp"
#include "support/compare.hpp"

namespace longspan::testing {
namespace {

TEST(Adamw, ThreeStepsMatchReference) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t n : {1, 31, 33, 256, 5000}) {
      SCOPED_TRACE(std::format("{} n {}", to_string(dtype), n));
      const Dtype wide = accumulation_dtype(dtype);
      const Values start = random_values(n, 1, wide);
      const Tensor master = to_tensor(start, {n}, wide), m = Tensor::zeros({n}, wide), v = Tensor::zeros({n}, wide);
      const Tensor weights = dtype == wide ? master : Tensor::empty({n}, dtype);
      std::vector<reference::AdamwState> expected(start.size());
      for (std::size_t i = 0; i < start.size(); ++i) expected[i].w = start[i];
      for (const std::int64_t t : {1, 2, 3}) {
        const ops::AdamwStep step{.rate = 0.01, .decay = 0.1, .gradient_scale = 0.5, .step = t};
        const Values gradient = random_values(n, 10 + static_cast<std::uint64_t>(t), wide);
        ops::adamw(master, m, v, to_tensor(gradient, {n}, wide), weights, step);
        for (std::size_t i = 0; i < start.size(); ++i) expected[i] = reference::adamw(expected[i], gradient[i], step);
      }
      Values w, em, ev;
      for (const auto& s : expected) w.push_back(s.w), em.push_back(s.m), ev.push_back(s.v);
      expect_close("master", master, w);
      expect_close("weights", weights, w);
      expect_close("m", m, em);
      expect_close("v", v, ev);
    }
  }
}

TEST(Adamw, EmptyIsAllowedAndWrongArgumentsThrow) {
  const Tensor none = Tensor::empty({0}, Dtype::float32), four = Tensor::zeros({4}, Dtype::float32);
  ops::adamw(none, none, none, none, none, {});
  EXPECT_THROW(ops::adamw(four, four, none, four, four, {}), std::logic_error);
  EXPECT_THROW(ops::adamw(four, four, four, four, four, {.step = 0}), std::logic_error);
  EXPECT_THROW(ops::adamw(four, four, four, Tensor::zeros({4}, Dtype::float64), four, {}), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
