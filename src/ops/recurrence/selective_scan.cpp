#include "ops/recurrence/selective_scan.hpp"

#include "ops/elementwise.hpp"
#include "ops/math.hpp"
#include "ops/recurrence/scan_block.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

using scan::kLanes;

// The state runs through the tokens of one block of channels; e is what it ends with. `y` and `starts` may be null.
template <class T, class A>
void forward_kernel(const scan::Sizes& s, const scan::Input<T, A>& in, std::int64_t chunk, A* state, A* starts, T* y) {
  const Tensor room = scan::block_room(s, 2, dtype_of<A>());
  A* const scratch = room.data<A>();
  for_rows(
      "longspan::ops::selective_scan", s.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const scan::Block at(s, row);
        A *const h = scratch + row * 2 * s.tile(), *const rates = h + s.tile();
        scan::load_rates(team, s, at, in.rates, rates);
        scan::load_states(team, s, at, state + at.b * s.N * s.D, h);
        A step[kLanes] = {}, written[kLanes] = {}, sum[kLanes] = {};
        for (std::int64_t t = 0; t < s.T; ++t) {
          if (starts && t % chunk == 0) scan::copy_tile(team, s, h, starts + (t / chunk * s.rows() + row) * s.tile());
          const std::int64_t token = at.b * s.T + t, here = token * s.D + at.first;
          scan::for_channels(team, at, [&](int c) {
            const A x = A(in.x[here + c]);
            step[c] = in.step[here + c];
            written[c] = step[c] * x;
            sum[c] = A(in.skip[at.first + c]) * x;
          });
          if (in.documents[token] == t) scan::zero_tile(team, s, h);
          for (std::int64_t n = 0; n < s.N; ++n) {
            const A b = A(in.write[token * s.N + n]), r = A(in.read[token * s.N + n]);
            A* const hn = h + n * kLanes;
            const A* const rate = rates + n * kLanes;
            for_columns(team, kLanes, [&](int c) {
              hn[c] = math::exp2_negative(step[c] * rate[c]) * hn[c] + b * written[c];
              sum[c] += r * hn[c];
            });
          }
          if (y) scan::for_channels(team, at, [&](int c) { y[here + c] = T(sum[c]); });
        }
        scan::store_states(team, s, at, h, state + at.b * s.N * s.D);
      });
}

template <class A>
struct Outputs {
  A *step, *write, *read, *rates, *skip;  // write, read: per block of channels; rates, skip: per sequence
};

// Chunk after chunk from the last: its states and decays again, then, with G the gradient of h_t from later tokens,
//   dh = G + C dy,  G <- a dh,  dB = sum_c dh step x,  dC = sum_c dy h,  dx = skip dy + step sum_n dh B
//   dstep = x sum_n dh B + sum_n dh A a h_{t-1},  dA = sum_t dh step a h_{t-1}
template <class T, class A>
void backward_kernel(const scan::Sizes& s, const scan::Input<T, A>& in, std::int64_t chunk, const A* starts,
                     const T* dy, A* dstate, T* dx, const Outputs<A>& out) {
  const std::int64_t tiles = 3 + (chunk + 1) + chunk;
  const Tensor room = scan::block_room(s, tiles, dtype_of<A>());
  A* const scratch = room.data<A>();
  for_rows(
      "longspan::ops::selective_scan_backward", s.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const scan::Block at(s, row);
        A *const rates = scratch + row * tiles * s.tile(), *const G = rates + s.tile(), *const drates = G + s.tile();
        A *const states = drates + s.tile(), *const decays = states + (chunk + 1) * s.tile();
        scan::load_rates(team, s, at, in.rates, rates);
        scan::load_states(team, s, at, dstate + at.b * s.N * s.D, G);
        scan::zero_tile(team, s, drates);
        A x[kLanes] = {}, step[kLanes] = {}, written[kLanes] = {}, grad[kLanes] = {}, dskip[kLanes] = {};
        A dh[kLanes], into[kLanes], faded[kLanes];
        const auto load = [&](std::int64_t token) {
          const std::int64_t here = token * s.D + at.first;
          scan::for_channels(team, at, [&](int c) {
            x[c] = A(in.x[here + c]);
            step[c] = in.step[here + c];
            grad[c] = A(dy[here + c]);
            written[c] = step[c] * x[c];
          });
        };
        for (std::int64_t k = (s.T + chunk - 1) / chunk; k-- > 0;) {
          const std::int64_t first = k * chunk, count = first + chunk < s.T ? chunk : s.T - first;
          scan::copy_tile(team, s, starts + (k * s.rows() + row) * s.tile(), states);
          for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t token = at.b * s.T + first + i;
            load(token);
            const A keep = in.documents[token] == first + i ? A(0) : A(1);
            for (std::int64_t n = 0; n < s.N; ++n) {
              const A b = A(in.write[token * s.N + n]);
              const A *const before = states + i * s.tile() + n * kLanes, *const rate = rates + n * kLanes;
              A *const after = states + (i + 1) * s.tile() + n * kLanes, *const a = decays + i * s.tile() + n * kLanes;
              for_columns(team, kLanes, [&](int c) {
                a[c] = keep * math::exp2_negative(step[c] * rate[c]);
                after[c] = a[c] * before[c] + b * written[c];
              });
            }
          }
          for (std::int64_t i = count; i-- > 0;) {
            const std::int64_t token = at.b * s.T + first + i;
            load(token);
            for_columns(team, kLanes, [&](int c) { into[c] = faded[c] = 0; });
            for (std::int64_t n = 0; n < s.N; ++n) {
              const A b = A(in.write[token * s.N + n]), r = A(in.read[token * s.N + n]);
              const A *const before = states + i * s.tile() + n * kLanes, *const after = before + s.tile();
              const A *const a = decays + i * s.tile() + n * kLanes, *const rate = rates + n * kLanes;
              A *const Gn = G + n * kLanes, *const drate = drates + n * kLanes;
              for_columns(team, kLanes, [&](int c) {
                const A kept = a[c] * before[c];
                dh[c] = Gn[c] + r * grad[c];
                Gn[c] = a[c] * dh[c];
                into[c] += b * dh[c];
                faded[c] += dh[c] * rate[c] * kept;
                drate[c] += dh[c] * step[c] * kept;
              });
              const std::int64_t pair = at.index * s.tokens() * s.N + token * s.N + n;
              const A dwrite = sum_columns<A>(team, kLanes, [&](int c) { return dh[c] * written[c]; });
              const A dread = sum_columns<A>(team, kLanes, [&](int c) { return grad[c] * after[c]; });
              for_columns(team, 1, [&](int) { out.write[pair] = dwrite, out.read[pair] = dread; });
            }
            scan::for_channels(team, at, [&](int c) {
              const std::int64_t to = token * s.D + at.first + c;
              dx[to] = T(A(in.skip[at.first + c]) * grad[c] + step[c] * into[c]);
              out.step[to] = x[c] * into[c] + faded[c] * scan::kLn2<A>;
              dskip[c] += grad[c] * x[c];
            });
          }
        }
        scan::store_states(team, s, at, G, dstate + at.b * s.N * s.D);
        scan::store_states(team, s, at, drates, out.rates + at.b * s.N * s.D);
        for_columns(team, at.width, [&](int c) { out.skip[at.b * s.D + at.first + c] = dskip[c]; });
      });
}

template <class T>
void rates_kernel(const Tensor& log_rate, const Tensor& rates) {
  using A = accumulation_t<T>;
  const std::int64_t D = log_rate.dim(0), N = log_rate.dim(1);
  const T* const in = log_rate.data<T>();
  A* const out = rates.data<A>();
  for_elements(
      "longspan::ops::scan_rates", N * D,
      KOKKOS_LAMBDA(std::int64_t i) { out[i] = -math::exp(A(in[i % D * N + i / D])); });
}

template <class A>
void rates_backward_kernel(const Tensor& rates, const Tensor& drates, const Tensor& dlog_rate) {
  const std::int64_t N = rates.dim(0), D = rates.dim(1);
  const A *const rate = rates.data<A>(), *const grad = drates.data<A>();
  A* const out = dlog_rate.data<A>();
  for_elements(
      "longspan::ops::scan_rates_backward", N * D,
      KOKKOS_LAMBDA(std::int64_t i) { out[i % D * N + i / D] += rate[i] * grad[i]; });
}

// Of parts [n, ...] the sum, in order.
Tensor ordered_sum(const Tensor& parts) {
  const std::int64_t count = parts.dim(0), size = parts.size() / std::max<std::int64_t>(1, count);
  const Tensor sum = Tensor::zeros({size}, parts.dtype(), Memory::workspace, "selective scan");
  add_column_sums(parts.reshape({count, size}), sum);
  return sum;
}

}  // namespace

Tensor scan_rates(const Tensor& log_rate) {
  const Tensor rates = Tensor::empty({log_rate.dim(1), log_rate.dim(0)}, accumulation_dtype(log_rate.dtype()),
                                     Memory::activations, "rates");
  dispatch_float("scan_rates", log_rate.dtype(), [&]<class T>() { rates_kernel<T>(log_rate, rates); });
  return rates;
}
void scan_rates_backward(const Tensor& rates, const Tensor& drates, const Tensor& dlog_rate) {
  dispatch_accumulation("scan_rates", rates.dtype(),
                        [&]<class A>() { rates_backward_kernel<A>(rates, drates, dlog_rate); });
}

Tensor scan_starts(const SelectiveScanInput& in, std::int64_t chunk) {
  const scan::Sizes s(in);
  return Tensor::empty({(s.T + chunk - 1) / chunk, s.rows(), s.tile()}, in.rates.dtype(), Memory::activations,
                       "states at chunk starts");
}

void selective_scan_forward(const SelectiveScanInput& in, std::int64_t chunk, const Tensor& state, const Tensor& starts,
                            const Tensor& y) {
  const scan::Sizes s(in);
  dispatch_float("selective_scan", in.x.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    forward_kernel<T, A>(s, scan::Input<T, A>(in), chunk, state.data<A>(),
                         starts.defined() ? starts.data<A>() : nullptr, y.defined() ? y.data<T>() : nullptr);
  });
}

void selective_scan_backward(const SelectiveScanInput& in, std::int64_t chunk, const Tensor& starts, const Tensor& dy,
                             const Tensor& dstate, const SelectiveScanGradients& g) {
  const scan::Sizes s(in);
  const Dtype wide = in.rates.dtype();
  const auto workspace = [&](const Shape& shape) {
    return Tensor::empty(shape, wide, Memory::workspace, "selective scan, parts of gradients");
  };
  const Tensor dwrite = workspace({s.blocks(), s.tokens() * s.N}), dread = workspace({s.blocks(), s.tokens() * s.N});
  const Tensor drates = workspace({s.B, s.N * s.D}), dskip = workspace({s.B, s.D});
  dispatch_float("selective_scan", in.x.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    backward_kernel<T, A>(s, scan::Input<T, A>(in), chunk, starts.data<A>(), dy.data<T>(), dstate.data<A>(),
                          g.x.data<T>(),
                          {g.step.data<A>(), dwrite.data<A>(), dread.data<A>(), drates.data<A>(), dskip.data<A>()});
  });
  copy(ordered_sum(dwrite).reshape(g.write.shape()), g.write);
  copy(ordered_sum(dread).reshape(g.read.shape()), g.read);
  copy(ordered_sum(drates).reshape(g.rates.shape()), g.rates);
  add_column_sums(dskip, g.skip);
}

}  // namespace longspan::ops
