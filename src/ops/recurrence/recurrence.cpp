#include "ops/recurrence/recurrence.hpp"

#include "ops/elementwise.hpp"
#include "ops/recurrence/block.hpp"

namespace longspan::ops {
namespace {

// Those at the starts of a window's chunks and at the end of the last one, [N + 1, R, K, V].
Tensor make_states(const AffineMapSizes& sizes, const ChunkSizes& window, Dtype dtype) {
  return Tensor::empty({window.count() + 1, window.rows(), sizes.key, sizes.value}, dtype, Memory::workspace, "states");
}

// Of states [N, R, K, V] those at n, of all pairs or of some.
Tensor at(const Tensor& states, std::int64_t n) {
  return states.slice(n, 1).reshape({states.dim(1), states.dim(2), states.dim(3)});
}
Tensor of_pairs(const Tensor& state, const Range& rows) { return state.slice(rows.begin, rows.size()); }

}  // namespace

Tensor make_window_states(const RecurrenceSettings& settings, const RecurrenceInput& in) {
  const AffineMapSizes sizes = map_sizes(settings, in);
  const auto windows = static_cast<std::int64_t>(cut_run(settings, in).front().size());
  return Tensor::empty({windows, chunk_sizes(settings, in).rows(), sizes.key, sizes.value},
                       accumulation_dtype(in.k.dtype()), Memory::activations, "states of windows");
}

void recurrence_forward(const RecurrenceSettings& settings, const RecurrenceInput& in, const Tensor& state,
                        const Tensor& o, const Tensor& starts) {
  const AffineMapSizes sizes = map_sizes(settings, in);
  for (const auto& windows : cut_run(settings, in)) {
    const Range& rows = windows.front().rows_shown;
    const Tensor states = make_states(sizes, windows.front(), state.dtype()), own = of_pairs(state, rows);
    for (std::size_t w = 0; w < windows.size(); ++w) {
      RecurrenceBlock block(settings, in, windows[w]);
      copy(own, at(states, 0));
      if (starts.defined()) copy(own, of_pairs(at(starts, static_cast<std::int64_t>(w)), rows));
      block.advance(states);
      block.make_output(states);
      block.write_output(o);
      copy(at(states, block.count()), own);
    }
  }
}

void recurrence_backward(const RecurrenceSettings& settings, const RecurrenceInput& in, const Tensor& starts,
                         const Tensor& dout, const RecurrenceGradients& gradients) {
  const AffineMapSizes sizes = map_sizes(settings, in);
  for (const auto& windows : cut_run(settings, in)) {
    const Range& rows = windows.front().rows_shown;
    const Tensor states = make_states(sizes, windows.front(), starts.dtype()),
                 dstates = make_states(sizes, windows.front(), starts.dtype());
    at(dstates, 0).set_zero();
    for (std::size_t w = windows.size(); w-- > 0;) {
      RecurrenceBlock block(settings, in, windows[w]);
      copy(of_pairs(at(starts, static_cast<std::int64_t>(w)), rows), at(states, 0));
      copy(at(dstates, 0), at(dstates, block.count()));
      block.advance(states);
      block.start_backward(dout, dstates);
      block.backward_queries(states);
      block.write_gradients(states, dstates, gradients);
    }
  }
}

}  // namespace longspan::ops
