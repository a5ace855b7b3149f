#include "ops/rnn/rnn.hpp"

#include "ops/matmul.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class T>
void inputs_kernel(const Tensor& x, const Tensor& bias, const Tensor& gates) {
  using A = accumulation_t<T>;
  const T *const in = x.data<T>(), *const b = bias.data<T>();
  A* const out = gates.data<A>();
  const std::int64_t H = gates.dim(1), time = gates.dim(2), W = gates.dim(3), X = x.dim(3);
  for_rows(
      "longspan::ops::rnn_inputs", gates.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t h = row / time % H, skipped = W - X;
        for_columns(team, static_cast<int>(skipped), [&](int c) { out[row * W + c] = A(b[h * W + c]); });
        for_columns(team, static_cast<int>(X),
                    [&](int c) { out[row * W + skipped + c] = A(b[h * W + skipped + c]) + A(in[row * X + c]); });
      });
}

template <class T>
void input_gradient_kernel(const Tensor& dgates, const Tensor& dx) {
  using A = accumulation_t<T>;
  const A* const in = dgates.data<A>();
  T* const out = dx.data<T>();
  const std::int64_t W = dgates.dim(3), X = dx.dim(3);
  for_rows(
      "longspan::ops::rnn_input_gradient", dx.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        for_columns(team, static_cast<int>(X), [&](int c) { out[row * X + c] = T(in[row * W + W - X + c]); });
      });
}

// Each row of the batch and head sums its steps, then the rows are added in order.
template <class A>
void bias_gradient_kernel(const Tensor& dgates, const Tensor& partials, const Tensor& dbias) {
  const A* const in = dgates.data<A>();
  A* const part = partials.data<A>();
  const std::int64_t batch = dgates.dim(0), H = dgates.dim(1), time = dgates.dim(2), W = dgates.dim(3);
  for_rows(
      "longspan::ops::rnn_bias_gradient", batch * H, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        for_columns(team, static_cast<int>(W), [&](int c) { part[row * W + c] = A(0); });
        for (std::int64_t t = 0; t < time; ++t) {
          for_columns(team, static_cast<int>(W), [&](int c) { part[row * W + c] += in[(row * time + t) * W + c]; });
        }
      });
  add_partials(part, batch, H * W, dbias.data<A>());
}

// The matrices [T, width] of all heads of one row of the batch, from a tensor [.., A, H, T, whole].
MatrixRef steps_of(const Tensor& x, std::int64_t row, std::int64_t width) {
  const std::int64_t T = x.dim(-2), whole = x.dim(-1), heads = x.dim(-3);
  MatrixRef m;
  m.data = static_cast<char*>(x.raw()) + row * heads * T * whole * static_cast<std::int64_t>(size_of(x.dtype()));
  m.dtype = x.dtype();
  m.rows = T, m.cols = width, m.leading = whole, m.batch_stride = T * whole;
  return m;
}

}  // namespace

const char* to_string(RnnCell cell) {
  switch (cell) {
    case RnnCell::elman:
      return "elman";
    case RnnCell::gru:
      return "gru";
    case RnnCell::lstm:
      return "lstm";
    case RnnCell::slstm:
      return "slstm";
  }
  return "unknown";
}

void rnn_inputs(RnnCell cell, const Tensor& x, const Tensor& bias, const Tensor& gates) {
  const RnnCellSizes sizes = cell_sizes(cell);
  LONGSPAN_CHECK(gates.dim(3) * sizes.inputs == x.dim(3) * sizes.gates && bias.size() == gates.dim(1) * gates.dim(3),
                 "[rnn_inputs] {}: x {}, {} biases and gates {}", to_string(cell), x.shape().str(), bias.size(),
                 gates.shape().str());
  dispatch_float("rnn_inputs", x.dtype(), [&]<class T>() { inputs_kernel<T>(x, bias, gates); });
}

void rnn_input_gradient(RnnCell cell, const Tensor& dgates, const Tensor& dx) {
  const RnnCellSizes sizes = cell_sizes(cell);
  LONGSPAN_CHECK(dgates.dim(3) * sizes.inputs == dx.dim(3) * sizes.gates, "[rnn_input_gradient] {}: dx {}, gates {}",
                 to_string(cell), dx.shape().str(), dgates.shape().str());
  dispatch_float("rnn_input_gradient", dx.dtype(), [&]<class T>() { input_gradient_kernel<T>(dgates, dx); });
}

void rnn_parameter_gradients(RnnCell cell, const Tensor& dgates, const Tensor& states, const Tensor& dbias,
                             const Tensor& dweight) {
  const std::int64_t batch = dgates.dim(0), H = dgates.dim(1), K = states.dim(4), R = cell_sizes(cell).recurrent * K;
  LONGSPAN_CHECK(dweight.dim(0) == H * R && dweight.dim(1) == K, "[rnn_parameter_gradients] {}: weight {} for {} heads",
                 to_string(cell), dweight.shape().str(), H);
  const Tensor partials = Tensor::empty({batch, dbias.size()}, dgates.dtype(), Memory::workspace, "bias gradients");
  dispatch_accumulation("rnn_parameter_gradients", dgates.dtype(),
                        [&]<class A>() { bias_gradient_kernel<A>(dgates, partials, dbias); });
  MatrixRef sum(dweight);
  sum.rows = R, sum.batch_stride = R * K;
  for (std::int64_t a = 0; a < batch; ++a) {
    matmul(steps_of(dgates, a, R).t(), steps_of(states, a, K), sum, {.accumulate = true, .batch = H});
  }
}

}  // namespace longspan::ops
