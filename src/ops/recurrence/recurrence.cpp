#include "ops/recurrence/recurrence.hpp"

#include "ops/elementwise.hpp"
#include "ops/recurrence/block.hpp"

namespace longspan::ops {
namespace {

// Those at the starts of some chunks and at the end of the last one, [n + 1, R, K, V] for the pairs of a window.
Tensor make_states(const AffineMapSizes& sizes, const ChunkSizes& window, std::int64_t chunks, Dtype dtype) {
  return Tensor::empty({chunks + 1, window.rows(), sizes.key, sizes.value}, dtype, Memory::workspace, "states");
}

Tensor states_of(const Tensor& states, const ChunkSizes& window) {
  return states.slice(window.chunks_shown.begin, window.count() + 1);
}

}  // namespace

void recurrence_forward(const RecurrenceSettings& settings, const RecurrenceInput& in, const Tensor& state,
                        const Tensor& o) {
  const AffineMapSizes sizes = map_sizes(settings, in);
  for (const auto& windows : cut_run(settings, in)) {
    const ChunkSizes& first = windows.front();
    const Tensor states = make_states(sizes, first, first.count(), state.dtype());
    const Tensor own =
        state.slice(first.rows_shown.begin, first.rows()).reshape({1, first.rows(), sizes.key, sizes.value});
    for (const ChunkSizes& window : windows) {
      RecurrenceBlock block(settings, in, window);
      copy(own, states.slice(0, 1));
      block.advance(states);
      block.make_output(states);
      block.write_output(o);
      copy(states.slice(window.count(), 1), own);
    }
  }
}

void recurrence_backward(const RecurrenceSettings& settings, const RecurrenceInput& in, const Tensor& dout,
                         const RecurrenceGradients& gradients) {
  const AffineMapSizes sizes = map_sizes(settings, in);
  const Dtype dtype = accumulation_dtype(in.k.dtype());
  for (const auto& windows : cut_run(settings, in)) {
    const ChunkSizes& last = windows.back();
    const Tensor states = make_states(sizes, last, last.chunks_shown.end, dtype);
    states.slice(0, 1).set_zero();
    for (const ChunkSizes& window : windows) RecurrenceBlock(settings, in, window).advance(states_of(states, window));
    const Tensor dstates = make_states(sizes, last, windows.front().count(), dtype);
    dstates.set_zero();
    for (auto window = windows.rbegin(); window != windows.rend(); ++window) {
      RecurrenceBlock block(settings, in, *window);
      const Tensor starts = states_of(states, *window), ends = dstates.slice(0, window->count() + 1);
      if (window != windows.rbegin()) copy(dstates.slice(0, 1), dstates.slice(window->count(), 1));
      block.start_backward(dout, starts, ends);
      block.backward_queries(starts);
      block.write_gradients(starts, ends, gradients);
    }
  }
}

}  // namespace longspan::ops
