// How much faster are the fused recurrent kernels than a loop of ordinary operations, a matrix product and some
// element-wise kernels a step? LSTM, float32, hidden size D in heads of K, B sequences; without the input projection,
// which is the same for both. Prints a row a size, as Markdown.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/timer.hpp"
#include "comm/runtime.hpp"
#include "ops/elementwise.hpp"
#include "ops/gates.hpp"
#include "ops/matmul.hpp"
#include "ops/rnn/rnn.hpp"
#include "tensor/device.hpp"

namespace {

using namespace longspan;

constexpr ops::RnnCell kCell = ops::RnnCell::lstm;
constexpr std::int64_t kSteps = 64;  // short runs, of which some are not interrupted

struct Sizes {
  std::int64_t batch, heads, width;  // B, H, K
};

Tensor random(const Shape& shape, std::uint64_t key, double deviation) {
  const Tensor t = Tensor::empty(shape, Dtype::float32);
  ops::fill_normal(t, key, deviation, shape[-1], 0, {0, 0, shape[-1]});
  return t;
}
Tensor empty(const Shape& shape) { return Tensor::empty(shape, Dtype::float32); }

// Least seconds of the runs that half a second holds, at least ten.
template <class Run>
double least_seconds(const Run& run) {
  run();
  double least = 1e9;
  const Timer all;
  for (int i = 0; i < 10 || all.seconds() < 0.5; ++i) {
    const Timer timer;
    run();
    device::fence();
    least = std::min(least, timer.seconds());
  }
  return least;
}

// One step at a time: h [H, B, K], c alike; gates of step t [T, H, B, 4 K].
class NaiveLoop {
 public:
  NaiveLoop(const Sizes& s, const Tensor& weight) : s_(s), weight_(weight.reshape({s.heads, 4 * s.width, s.width})) {
    const Shape state{s.heads, s.batch, s.width};
    for (Tensor* t : {&h_, &c_, &i_, &f_, &z_, &o_, &ones_}) *t = empty(state);
    ops::fill(ones_, 1);
  }

  // gates hold the inputs of every step; they are overwritten. Returns the last h.
  const Tensor& run(const Tensor& gates) {
    h_.set_zero();
    c_.set_zero();
    for (std::int64_t t = 0; t < kSteps; ++t) {
      const Tensor g = gates.slice(t, 1).reshape({s_.heads, s_.batch, 4 * s_.width});
      ops::matmul(of_head(h_), of_head(weight_).t(), of_head(g), {.accumulate = true, .batch = s_.heads});
      for (int gate = 0; gate < 4; ++gate) ops::copy_columns(g, gate * s_.width, *gate_of(gate));
      for (const Tensor& x : {i_, f_, o_}) ops::sigmoid_forward(x, 1, x);
      tanh(z_, z_);
      ops::multiply_elements(f_, c_);
      ops::multiply_elements(i_, z_);
      ops::add(c_, z_, c_);
      tanh(c_, h_);
      ops::multiply_elements(o_, h_);
    }
    return h_;
  }

 private:
  Tensor* gate_of(int gate) { return gate == 0 ? &i_ : gate == 1 ? &f_ : gate == 2 ? &z_ : &o_; }

  // 2 sigmoid(2 x) - 1.
  void tanh(const Tensor& x, const Tensor& y) const {
    ops::add(x, x, y);
    ops::sigmoid_forward(y, 2, y);
    ops::add_scaled(ones_, -1, y);
  }

  static ops::MatrixRef of_head(const Tensor& x) {
    ops::MatrixRef m(x);
    m.rows = x.dim(1);
    m.batch_stride = x.dim(1) * x.dim(2);
    return m;
  }

  Sizes s_;
  Tensor weight_, h_, c_, i_, f_, z_, o_, ones_;
};

void compare(const Sizes& s) {
  const std::int64_t W = 4 * s.width;
  const Tensor weight = random({s.heads * W, s.width}, 1, 0.5 / static_cast<double>(s.width));
  const Tensor inputs = random({s.batch, s.heads, kSteps, W}, 2, 1), gates = empty(inputs.shape());
  const Tensor states = empty({2, s.batch, s.heads, kSteps, s.width}), y = empty({s.batch, s.heads, kSteps, s.width});
  const Tensor state = Tensor::zeros({2, s.batch, s.heads, s.width}, Dtype::float32);
  const Tensor resets = Tensor::zeros({s.batch, kSteps}, Dtype::int32);
  const Tensor dy = random(y.shape(), 3, 1), dstate = Tensor::zeros(state.shape(), Dtype::float32),
               dgates = empty(gates.shape());
  const double copying = least_seconds([&] { ops::copy(inputs, gates); });
  const double fused = least_seconds([&] {
                         ops::copy(inputs, gates);
                         state.set_zero();
                         ops::rnn_forward(kCell, weight, resets, gates, states, state, y);
                       }) -
                       copying;
  const double backward = least_seconds([&] {
    dstate.set_zero();
    ops::rnn_backward(kCell, weight, resets, gates, states, dy, dstate, dgates);
  });
  const Tensor by_step = random({kSteps, s.heads, s.batch, W}, 2, 1), naive_gates = empty(by_step.shape());
  NaiveLoop loop(s, weight);
  const double naive = least_seconds([&] {
                         ops::copy(by_step, naive_gates);
                         loop.run(naive_gates);
                       }) -
                       copying;
  const double flops = 2.0 * static_cast<double>(kSteps * s.batch * s.heads * W * s.width);
  std::printf("| %lld | %lld | %lld | %.2f | %.2f | %.1f | %.2f | %.1f |\n", static_cast<long long>(s.batch),
              static_cast<long long>(s.heads), static_cast<long long>(s.width), 1e6 * naive / kSteps,
              1e6 * fused / kSteps, naive / fused, 1e6 * backward / kSteps, flops / fused / 1e9);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](const Comm&) {
    std::printf("| B | H | K | naive us/step | fused us/step | times | backward us/step | fused GFLOP/s |\n");
    std::printf("|---|---|---|---|---|---|---|---|\n");
    for (const std::int64_t batch : {1, 8, 32}) {
      for (const std::int64_t width : {16, 32, 64, 128}) compare({batch, 512 / width, width});
    }
    for (const std::int64_t batch : {1, 8}) {
      for (const std::int64_t width : {16, 32, 64}) compare({batch, 1, width});
    }
    return 0;
  });
}
