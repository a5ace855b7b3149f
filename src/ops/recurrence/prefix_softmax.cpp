#include "ops/recurrence/prefix_softmax.hpp"

#include "ops/math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

struct Sizes {
  std::int64_t B, T, H, V;
  explicit Sizes(const PrefixSoftmaxInput& in)
      : B(in.v.dim(0)), T(in.v.dim(1)), H(in.scores.dim(2)), V(in.v.dim(2) / H) {
    LONGSPAN_CHECK(in.scores.rows() == B * T && in.v.dim(2) == H * V && in.documents.size() == B * T,
                   "[prefix_softmax] scores {}, v {}", in.scores.shape().str(), in.v.shape().str());
  }
  KOKKOS_INLINE_FUNCTION std::int64_t width() const { return 3 + V; }
};

// A state in hand: the scalars in every thread, w in storage.
template <class A>
struct State {
  A m, u, keep;
  A* w;
  KOKKOS_INLINE_FUNCTION explicit State(const A* packed, A* sums)
      : m(packed[0]), u(packed[1]), keep(packed[2]), w(sums) {}
  KOKKOS_INLINE_FUNCTION void clear(const Team& team, int V) {
    m = -Kokkos::Experimental::infinity_v<A>;
    u = keep = 0;
    for_columns(team, V, [&](int j) { w[j] = 0; });
  }
  // One token more: e^x (value, row).
  template <class T>
  KOKKOS_INLINE_FUNCTION void add(const Team& team, int V, A x, A value, const T* row) {
    const A larger = x > m ? x : m;
    const A old = m == larger ? A(1) : math::exp(m - larger), now = math::exp(x - larger);
    m = larger;
    u = u * old + now * value;
    for_columns(team, V, [&](int j) { w[j] = w[j] * old + now * A(row[j]); });
  }
  KOKKOS_INLINE_FUNCTION void store(const Team& team, A* packed) const {
    wait_for_team(team);  // all have read what one overwrites
    for_columns(team, 1, [&](int) { packed[0] = m, packed[1] = u, packed[2] = keep; });
  }
};

template <class T, class A>
void forward_kernel(const Sizes& s, const PrefixSoftmaxInput& in, const Tensor& state, T* o, A* log_sums) {
  const A* const scores = in.scores.data<A>();
  const T* const v = in.v.data<T>();
  const auto* const documents = in.documents.data<std::int32_t>();
  A* const states = state.data<A>();
  for_rows(
      "longspan::ops::prefix_softmax", s.B * s.H, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / s.H, h = row % s.H;
        const int V = static_cast<int>(s.V);
        A* const packed = states + row * s.width();
        State<A> at(packed, packed + 3);
        for (std::int64_t t = 0; t < s.T; ++t) {
          const std::int64_t token = b * s.T + t, first = (token * s.H + h) * s.V;
          if (documents[token] == t) at.clear(team, V);
          at.add(team, V, scores[token * s.H + h], A(1), v + first);
          if (!o) continue;
          const A part = A(1) / at.u;
          for_columns(team, V, [&](int j) { o[first + j] = T(at.w[j] * part); });
          for_columns(team, 1, [&](int) { log_sums[token * s.H + h] = at.m + Kokkos::log(at.u); });
        }
        at.store(team, packed);
      });
}

template <class T, class A>
void backward_kernel(const Sizes& s, const PrefixSoftmaxInput& in, const PrefixSoftmaxOutput& out, const Tensor& state,
                     A* dscores, T* dv) {
  const A *const scores = in.scores.data<A>(), *const log_sums = out.log_sums.data<A>();
  const T *const v = in.v.data<T>(), *const o = out.o.data<T>(), *const dout = out.dout.data<T>();
  const auto* const documents = in.documents.data<std::int32_t>();
  A* const states = state.data<A>();
  for_rows(
      "longspan::ops::prefix_softmax_backward", s.B * s.H, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / s.H, h = row % s.H;
        const int V = static_cast<int>(s.V);
        A* const packed = states + row * s.width();
        State<A> at(packed, packed + 3);
        for (std::int64_t t = s.T; t-- > 0;) {
          const std::int64_t token = b * s.T + t, first = (token * s.H + h) * s.V;
          const A product = sum_columns<A>(team, V, [&](int j) { return A(dout[first + j]) * A(o[first + j]); });
          at.add(team, V, -log_sums[token * s.H + h], product, dout + first);
          if (dscores) {
            const A weight = math::exp(scores[token * s.H + h] + at.m);
            const A pull = sum_columns<A>(team, V, [&](int j) { return A(v[first + j]) * at.w[j]; });
            for_columns(team, V, [&](int j) { dv[first + j] = T(weight * at.w[j]); });
            for_columns(team, 1, [&](int) { dscores[token * s.H + h] = weight * (pull - at.u); });
          }
          if (documents[token] == t) at.clear(team, V);
        }
        at.store(team, packed);
      });
}

template <class A>
void clear_kernel(const Tensor& state) {
  const std::int64_t width = state.dim(-1);
  A* const to = state.data<A>();
  for_elements(
      "longspan::ops::clear_prefix_state", state.size(), KOKKOS_LAMBDA(std::int64_t i) {
        const std::int64_t j = i % width;
        to[i] = j == 0 ? -Kokkos::Experimental::infinity_v<A> : j == 2 ? A(1) : A(0);
      });
}

template <class A>
void combine_kernel(const Tensor& first, const Tensor& second, const Tensor& out) {
  const std::int64_t width = out.dim(-1);
  const A *const one = first.data<A>(), *const two = second.data<A>();
  A* const to = out.data<A>();
  for_rows(
      "longspan::ops::combine_prefix_states", out.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const A *const a = one + row * width, *const b = two + row * width;
        A* const c = to + row * width;
        const A keep_a = a[2], keep_b = b[2], m_a = a[0], m_b = b[0];
        const A m = keep_b == A(0) || m_b > m_a ? m_b : m_a;
        const A from_a = keep_b == A(0) ? A(0) : m_a == m ? A(1) : math::exp(m_a - m);
        const A from_b = m_b == m ? A(1) : math::exp(m_b - m);
        const A u = from_a * a[1] + from_b * b[1];
        for_columns(team, static_cast<int>(width) - 3,
                    [&](int j) { c[3 + j] = from_a * a[3 + j] + from_b * b[3 + j]; });
        wait_for_team(team);  // all have read what one overwrites
        for_columns(team, 1, [&](int) { c[0] = m, c[1] = u, c[2] = keep_a * keep_b; });
      });
}

template <class T>
void scores_kernel(const Tensor& q, const Tensor& k, double scale, const Tensor& s) {
  using A = accumulation_t<T>;
  const std::int64_t H = s.dim(-1), K = q.size() / H;
  const T *const query = q.data<T>(), *const keys = k.data<T>();
  const A factor = A(scale);
  A* const out = s.data<A>();
  for_rows(
      "longspan::ops::query_scores", s.size(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const T* const one = query + row % H * K;
        const A sum =
            sum_columns<A>(team, static_cast<int>(K), [&](int j) { return A(one[j]) * A(keys[row * K + j]); });
        for_columns(team, 1, [&](int) { out[row] = factor * sum; });
      });
}

// dk of a block of rows and the block's part of dq.
template <class T>
void scores_backward_kernel(const Tensor& q, const Tensor& k, double scale, const Tensor& ds, const Tensor& parts,
                            const Tensor& dk) {
  using A = accumulation_t<T>;
  const std::int64_t H = ds.dim(-1), width = q.size(), K = width / H, rows = ds.rows();
  const T *const query = q.data<T>(), *const keys = k.data<T>();
  const A* const grad = ds.data<A>();
  const A factor = A(scale);
  T* const out = dk.data<T>();
  A* const sums = parts.data<A>();
  for_rows(
      "longspan::ops::query_scores_backward", parts.dim(0), KOKKOS_LAMBDA(const Team& team, std::int64_t block) {
        const std::int64_t begin = block * kRowBlock, end = end_of_block(begin, rows);
        for_columns(team, static_cast<int>(width), [&](int c) { sums[block * width + c] = 0; });
        for (std::int64_t row = begin; row < end; ++row) {
          for_columns(team, static_cast<int>(width), [&](int c) {
            const A g = factor * grad[row * H + c / K];
            out[row * width + c] = T(g * A(query[c]));
            sums[block * width + c] += g * A(keys[row * width + c]);
          });
        }
      });
}

}  // namespace

void clear_prefix_state(const Tensor& state) {
  dispatch_accumulation("clear_prefix_state", state.dtype(), [&]<class A>() { clear_kernel<A>(state); });
}

void combine_prefix_states(const Tensor& first, const Tensor& second, const Tensor& out) {
  dispatch_accumulation("combine_prefix_states", out.dtype(),
                        [&]<class A>() { combine_kernel<A>(first, second, out); });
}

void prefix_softmax_forward(const PrefixSoftmaxInput& in, const Tensor& state, const Tensor& o,
                            const Tensor& log_sums) {
  const Sizes s(in);
  dispatch_float("prefix_softmax", in.v.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    forward_kernel<T, A>(s, in, state, o.defined() ? o.data<T>() : nullptr, o.defined() ? log_sums.data<A>() : nullptr);
  });
}

void prefix_softmax_backward(const PrefixSoftmaxInput& in, const PrefixSoftmaxOutput& out, const Tensor& state,
                             const Tensor& dscores, const Tensor& dv) {
  const Sizes s(in);
  dispatch_float("prefix_softmax", in.v.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    backward_kernel<T, A>(s, in, out, state, dv.defined() ? dscores.data<A>() : nullptr,
                          dv.defined() ? dv.data<T>() : nullptr);
  });
}

void query_scores_forward(const Tensor& q, const Tensor& k, double scale, const Tensor& s) {
  LONGSPAN_CHECK(q.size() == k.dim(-1) && q.size() % s.dim(-1) == 0, "[query_scores] q {}, k {}, scores {}",
                 q.shape().str(), k.shape().str(), s.shape().str());
  dispatch_float("query_scores", k.dtype(), [&]<class T>() { scores_kernel<T>(q, k, scale, s); });
}

void query_scores_backward(const Tensor& q, const Tensor& k, double scale, const Tensor& ds, const Tensor& dq,
                           const Tensor& dk) {
  const Tensor parts =
      Tensor::empty({count_blocks(ds.rows(), kRowBlock), q.size()}, ds.dtype(), Memory::workspace, "query gradients");
  dispatch_float("query_scores", k.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    scores_backward_kernel<T>(q, k, scale, ds, parts, dk);
    add_partials(parts.data<A>(), parts.dim(0), q.size(), dq.data<A>());
  });
}

}  // namespace longspan::ops
