// Decays inside a chunk. With g_t = log a_t <= 0 (G = K channels, or G = 1 for all), b_t = sum of g over the chunk up
// to t: what stood in the state at the chunk's start has decayed by e^{b_t} at t, what was written at s by e^{b_t -
// b_s}. Such powers are running products of a: no exponent is ever positive, so nothing overflows, and a gate near 0
// leaves its neighbours exact. Across a whole chunk, where errors would add up over the run, it is the exponential of
// a sum in float64.
//
// Documents: `documents` [B, T] holds for each row the row at which its document starts. Nothing passes a start: there
// a = 0, whatever the decay given.
#pragma once

#include "ops/recurrence/chunks.hpp"

namespace longspan::ops {

struct Decays {
  ChunkSizes size;
  Tensor factors;  // a, [N, R, C, G]; 0 at starts of documents, 1 behind the run's end
  Tensor through;  // decay of a state across each chunk, [N, R, G]
};
Decays make_decays(const Tensor& log_decay_chunks, const Tensor& documents, const ChunkSizes& size);

// What a row sees of the state at its chunk's start: y_t = factor e^{b_t} x_t.
void from_start(const Decays& decays, double factor, const Tensor& x, const Tensor& y);
// What is left of a row at its chunk's end: y_t = e^{b_C - b_t} x_t; added to y with `accumulate`.
void to_end(const Decays& decays, const Tensor& x, const Tensor& y, bool accumulate = false);
// Both are their own adjoints.

// states[to] = or += the decay across chunk n of states[from]; states [N+1, R, K, V].
void carry_states(const Decays& decays, std::int64_t n, const Tensor& from, const Tensor& to, bool accumulate);
// The decay across the whole window, [R, G].
Tensor decay_through(const Decays& decays);

// x [N, R, C, C] of scores (row t, column s): factor e^{b_t - b_s} x where s <= t (s < t if `strict`), otherwise 0.
// G = 1.
void decay_scores(const Decays& decays, double factor, bool strict, const Tensor& x);

// Gradient of the log decays, [N, R, C, G]. `dsums` [N, R, C, G] is the gradient of b so far.
// dsums_t = x_t dx_t - y_t dy_t, summed over the channels of a decay.
void write_products(const Decays& decays, const Tensor& x, const Tensor& dx, const Tensor& y, const Tensor& dy,
                    const Tensor& dsums);
// dsums_t += x_t dx_t.
void add_products(const Decays& decays, const Tensor& x, const Tensor& dx, const Tensor& dsums);
//   across chunks: kd (rows left at the end) with dkd; the state at each start with the gradient of that at its end
void add_through_gradient(const Decays& decays, const Tensor& kd, const Tensor& dkd, const Tensor& starts,
                          const Tensor& dends, const Tensor& dsums);
// g enters b_t, b_{t+1}, ..., b_C.
Tensor log_decay_gradient(const Decays& decays, const Tensor& dsums);

}  // namespace longspan::ops
