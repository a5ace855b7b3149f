// The loops over steps: a team takes a few rows of the batch through one head's whole sequence.
#include "ops/elementwise.hpp"
#include "ops/rnn/cells.hpp"
#include "ops/rnn/product.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

using rnn::Rows;

// Sizes of a recurrence and where things stand: gates [A, H, T, W], states [.., A, H, T, K], state [.., A, H, K].
struct Extent {
  std::int64_t A, H, T, K, W;  // W = gates K
  RnnTiles tiles;
  std::int64_t width;  // of the packed matrix

  std::int64_t blocks() const { return count_blocks(A, tiles.rows) * H; }
  KOKKOS_INLINE_FUNCTION std::int64_t row(std::int64_t a, std::int64_t h, std::int64_t t) const {
    return (a * H + h) * T + t;
  }
};

template <class Value>
Extent extent_of(const Tensor& gates, const Tensor& states, std::int64_t columns) {
  Extent e{gates.dim(0), gates.dim(1), gates.dim(2), states.dim(4), gates.dim(3), {}, 0};
  e.tiles = rnn::tiles_for<Value>(e.A, e.H, columns);
  e.width = rnn::padded(columns, e.tiles.lanes * rnn::kLanes<Value>);
  return e;
}

Tensor packed_weight(const Tensor& weight, std::int64_t heads, bool transposed, std::int64_t width) {
  const std::int64_t rows = transposed ? weight.dim(1) : weight.dim(0) / heads;
  const Tensor packed =
      Tensor::empty({heads, rows, width}, accumulation_dtype(weight.dtype()), Memory::workspace, "recurrent weights");
  dispatch_float("rnn_pack", weight.dtype(), [&]<class T>() { rnn::pack<T>(weight, heads, transposed, packed); });
  return packed;
}

template <class Cell, class Value>
void forward_kernel(const Extent& e, const Tensor& weight, const Tensor& resets, const Tensor& gates,
                    const Tensor& states, const Tensor& state, const Tensor& y) {
  constexpr int S = Cell::kStates, G = Cell::kGates;
  const Value* const w = weight.data<Value>();
  const std::int32_t* const reset = resets.data<std::int32_t>();
  Value *const g = gates.data<Value>(), *const s = states.data<Value>(), *const last = state.data<Value>();
  Value* const out = y.data<Value>();
  const Extent x = e;
  const std::int64_t plane = x.A * x.H * x.T * x.K, last_plane = x.A * x.H * x.K;
  for_rows(
      "longspan::ops::rnn_forward", x.blocks(), KOKKOS_LAMBDA(const Team& team, std::int64_t block) {
        const std::int64_t h = block % x.H, first = block / x.H * x.tiles.rows;
        const int rows = static_cast<int>(x.A - first < x.tiles.rows ? x.A - first : x.tiles.rows);
        const int K = static_cast<int>(x.K), columns = Cell::kRecurrent * K;
        for_grid(team, rows, K, [&](int r, int k) {
          const std::int64_t a = first + r, to = x.row(a, h, 0) * K + k, from = (a * x.H + h) * K + k;
          for (int i = 0; i < S; ++i) s[i * plane + to] = reset[a * x.T] ? Value(0) : last[i * last_plane + from];
        });
        for (std::int64_t t = 0; t < x.T; ++t) {
          rnn::team_barrier(team);
          rnn::add_product<Value>(team, w + h * K * x.width, x.width, K, {s + x.row(first, h, t) * K, x.H * x.T * K},
                                  {g + x.row(first, h, t) * x.W, x.H * x.T * x.W}, rows, columns,
                                  static_cast<int>(x.tiles.lanes));
          rnn::team_barrier(team);
          for (int r = 0; r < rows; ++r) {
            const std::int64_t a = first + r, row = x.row(a, h, t), to_plane = t + 1 < x.T ? plane : last_plane;
            Value* const to = t + 1 < x.T ? s + (row + 1) * K : last + (a * x.H + h) * K;
            const bool keep = t + 1 == x.T || reset[a * x.T + t + 1] == 0;
            for_columns(team, K, [&](int k) {
              Value gate[G], entering[S], next[S];
              for (int i = 0; i < G; ++i) gate[i] = g[row * x.W + i * K + k];
              for (int i = 0; i < S; ++i) entering[i] = s[i * plane + row * K + k];
              Cell::forward(gate, entering, next);
              for (int i = 0; i < G; ++i) g[row * x.W + i * K + k] = gate[i];
              out[row * K + k] = next[0];
              for (int i = 0; i < S; ++i) to[i * to_plane + k] = keep ? next[i] : Value(0);
            });
          }
        }
      });
}

template <class Cell, class Value>
void backward_kernel(const Extent& e, const Tensor& weight, const Tensor& resets, const Tensor& gates,
                     const Tensor& states, const Tensor& dy, const Tensor& dstate, const Tensor& dgates) {
  constexpr int S = Cell::kStates, G = Cell::kGates;
  const Value* const w = weight.data<Value>();
  const std::int32_t* const reset = resets.data<std::int32_t>();
  const Value *const g = gates.data<Value>(), *const s = states.data<Value>(), *const d = dy.data<Value>();
  Value *const dg = dgates.data<Value>(), *const ds = dstate.data<Value>();
  const Extent x = e;
  const std::int64_t plane = x.A * x.H * x.T * x.K, dstate_plane = x.A * x.H * x.K;
  for_rows(
      "longspan::ops::rnn_backward", x.blocks(), KOKKOS_LAMBDA(const Team& team, std::int64_t block) {
        const std::int64_t h = block % x.H, first = block / x.H * x.tiles.rows;
        const int rows = static_cast<int>(x.A - first < x.tiles.rows ? x.A - first : x.tiles.rows);
        const int K = static_cast<int>(x.K), n = Cell::kRecurrent * K;
        for (std::int64_t t = x.T - 1; t >= 0; --t) {
          rnn::team_barrier(team);
          for (int r = 0; r < rows; ++r) {
            const std::int64_t a = first + r, row = x.row(a, h, t);
            Value* const left = ds + (a * x.H + h) * K;
            const bool carried = t + 1 == x.T || reset[a * x.T + t + 1] == 0;
            for_columns(team, K, [&](int k) {
              Value gate[G], entering[S], dnext[S], dgate[G], dentering[S];
              for (int i = 0; i < G; ++i) gate[i] = g[row * x.W + i * K + k];
              for (int i = 0; i < S; ++i) {
                entering[i] = s[i * plane + row * K + k];
                dnext[i] = carried ? left[i * dstate_plane + k] : Value(0);
              }
              dnext[0] += d[row * K + k];
              Cell::backward(gate, entering, dnext, dgate, dentering);
              for (int i = 0; i < G; ++i) dg[row * x.W + i * K + k] = dgate[i];
              for (int i = 0; i < S; ++i) left[i * dstate_plane + k] = dentering[i];
            });
          }
          rnn::team_barrier(team);
          rnn::add_product<Value>(team, w + h * n * x.width, x.width, n,
                                  {dg + x.row(first, h, t) * x.W, x.H * x.T * x.W},
                                  {ds + (first * x.H + h) * K, x.H * K}, rows, K, static_cast<int>(x.tiles.lanes));
        }
        rnn::team_barrier(team);
        for_grid(team, rows, K, [&](int r, int k) {
          const std::int64_t a = first + r;
          if (!reset[a * x.T]) return;
          for (int i = 0; i < S; ++i) ds[i * dstate_plane + (a * x.H + h) * K + k] = Value(0);
        });
      });
}

template <class Body>
void dispatch_cell(RnnCell cell, Body&& body) {
  switch (cell) {
    case RnnCell::elman:
      return body.template operator()<rnn::Elman>();
    case RnnCell::gru:
      return body.template operator()<rnn::Gru>();
    case RnnCell::lstm:
      return body.template operator()<rnn::Lstm>();
    case RnnCell::slstm:
      return body.template operator()<rnn::Slstm>();
  }
}

}  // namespace

RnnCellSizes cell_sizes(RnnCell cell) {
  RnnCellSizes sizes{};
  dispatch_cell(cell, [&]<class Cell>() { sizes = {Cell::kInputs, Cell::kRecurrent, Cell::kGates, Cell::kStates}; });
  return sizes;
}

void rnn_forward(RnnCell cell, const Tensor& weight, const Tensor& resets, const Tensor& gates, const Tensor& states,
                 const Tensor& state, const Tensor& y) {
  if (y.size() == 0) return;  // the state stays
  const bool wide = y.dtype() == gates.dtype();
  const Tensor h = wide ? y : Tensor::empty(y.shape(), gates.dtype(), Memory::workspace, "hidden states");
  const std::int64_t columns = cell_sizes(cell).recurrent * y.dim(3);
  dispatch_accumulation("rnn_forward", gates.dtype(), [&]<class Value>() {
    const Extent e = extent_of<Value>(gates, states, columns);
    const Tensor packed = packed_weight(weight, e.H, true, e.width);
    dispatch_cell(cell, [&]<class Cell>() { forward_kernel<Cell, Value>(e, packed, resets, gates, states, state, h); });
  });
  if (!wide) copy(h, y);
}

void rnn_backward(RnnCell cell, const Tensor& weight, const Tensor& resets, const Tensor& gates, const Tensor& states,
                  const Tensor& dy, const Tensor& dstate, const Tensor& dgates) {
  if (dy.size() == 0) return;
  const bool wide = dy.dtype() == gates.dtype();
  const Tensor dh = wide ? dy : Tensor::empty(dy.shape(), gates.dtype(), Memory::workspace, "hidden state gradients");
  if (!wide) copy(dy, dh);
  dispatch_accumulation("rnn_backward", gates.dtype(), [&]<class Value>() {
    const Extent e = extent_of<Value>(gates, states, dy.dim(3));
    const Tensor packed = packed_weight(weight, e.H, false, e.width);
    dispatch_cell(cell, [&]<class Cell>() {
      backward_kernel<Cell, Value>(e, packed, resets, gates, states, dh, dstate, dgates);
    });
  });
}

}  // namespace longspan::ops
