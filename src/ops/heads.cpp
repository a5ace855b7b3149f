#include "ops/heads.hpp"

#include <cmath>
#include <vector>

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

struct Sizes {
  std::int64_t batch, heads, length, width;
};

template <class T>
void split_kernel(const Sizes& size, const Tensor& x, const Tensor& heads) {
  const T* const in = x.data<T>();
  T* const out = heads.data<T>();
  const std::int64_t H = size.heads, L = size.length, K = size.width;
  for_rows(
      "longspan::ops::split_heads", size.batch * L, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / L, t = row % L;
        const T* const from = in + row * H * K;
        T* const to = out + (b * H * L + t) * K;
        for_grid(team, static_cast<int>(H), static_cast<int>(K),
                 [&](int h, int j) { to[h * L * K + j] = from[h * K + j]; });
      });
}

template <class T>
void split_rotary_kernel(const Sizes& size, const Tensor& x, const RotaryTable& rotary, const Tensor& heads) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  T* const out = heads.data<T>();
  const A *const cosines = rotary.cosine.data<A>(), *const sines = rotary.sine.data<A>();
  const std::int64_t H = size.heads, L = size.length, K = size.width, half = K / 2;
  for_rows(
      "longspan::ops::split_heads_rotary", size.batch * L, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / L, t = row % L;
        const A *const cosine = cosines + t * half, *const sine = sines + t * half;
        const T* const from = in + row * H * K;
        T* const to = out + (b * H * L + t) * K;
        for_grid(team, static_cast<int>(H), static_cast<int>(half), [&](int h, int j) {
          const A u = A(from[h * K + j]), v = A(from[h * K + half + j]);
          to[h * L * K + j] = T(u * cosine[j] - v * sine[j]);
          to[h * L * K + half + j] = T(v * cosine[j] + u * sine[j]);
        });
      });
}

template <class T>
void merge_kernel(const Sizes& size, const Tensor& heads, const Tensor& x, bool accumulate) {
  using A = accumulation_t<T>;
  const T* const in = heads.data<T>();
  T* const out = x.data<T>();
  const std::int64_t H = size.heads, L = size.length, K = size.width;
  for_rows(
      "longspan::ops::merge_heads", size.batch * L, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / L, t = row % L;
        const T* const from = in + (b * H * L + t) * K;
        T* const to = out + row * H * K;
        for_grid(team, static_cast<int>(H), static_cast<int>(K), [&](int h, int j) {
          const A value = A(from[h * L * K + j]);
          to[h * K + j] = T(accumulate ? A(to[h * K + j]) + value : value);
        });
      });
}

template <class T>
void merge_rotary_kernel(const Sizes& size, const Tensor& heads, const RotaryTable& rotary, const Tensor& x,
                         bool accumulate) {
  using A = accumulation_t<T>;
  const T* const in = heads.data<T>();
  T* const out = x.data<T>();
  const A *const cosines = rotary.cosine.data<A>(), *const sines = rotary.sine.data<A>();
  const std::int64_t H = size.heads, L = size.length, K = size.width, half = K / 2;
  for_rows(
      "longspan::ops::merge_heads_rotary", size.batch * L, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / L, t = row % L;
        const A *const cosine = cosines + t * half, *const sine = sines + t * half;
        const T* const from = in + (b * H * L + t) * K;
        T* const to = out + row * H * K;
        for_grid(team, static_cast<int>(H), static_cast<int>(half), [&](int h, int j) {
          const A u = A(from[h * L * K + j]), v = A(from[h * L * K + half + j]);
          const A du = u * cosine[j] + v * sine[j], dv = v * cosine[j] - u * sine[j];
          T &low = to[h * K + j], &high = to[h * K + half + j];
          low = T(accumulate ? A(low) + du : du);
          high = T(accumulate ? A(high) + dv : dv);
        });
      });
}

Sizes check(const Tensor& x, const RotaryTable& rotary, const Tensor& heads) {
  LONGSPAN_CHECK(heads.shape().rank() == 4, "[heads] heads must be [B, H, T, K], got {}", heads.shape().str());
  const Sizes size = {heads.dim(0), heads.dim(1), heads.dim(2), heads.dim(3)};
  LONGSPAN_CHECK(x.rows() == size.batch * size.length && x.dim(-1) == size.heads * size.width,
                 "[heads] {} is not the rows of {}", x.shape().str(), heads.shape().str());
  if (rotary.defined()) {
    LONGSPAN_CHECK(size.width % 2 == 0 && rotary.cosine.size() == size.length * size.width / 2 &&
                       rotary.sine.size() == rotary.cosine.size(),
                   "[heads] rotary table {} does not fit {}", rotary.cosine.shape().str(), heads.shape().str());
  }
  return size;
}

template <class A>
void write(const std::vector<double>& values, const Tensor& to) {
  to.copy_from_host(std::vector<A>(values.begin(), values.end()).data());
}

}  // namespace

RotaryTable make_rotary_table(const std::vector<std::int32_t>& positions, std::int64_t head_width, double base,
                              Dtype dtype) {
  LONGSPAN_CHECK(head_width % 2 == 0, "[rotary] the head width must be even, got {}", head_width);
  const std::int64_t half = head_width / 2;
  const auto make = [&] {
    return Tensor::empty({static_cast<std::int64_t>(positions.size()), half}, accumulation_dtype(dtype),
                         Memory::activations, "rotary table");
  };
  const RotaryTable table = {make(), make()};
  if (shape_only()) return table;
  std::vector<double> cosine, sine;
  for (const std::int32_t p : positions) {
    for (std::int64_t j = 0; j < half; ++j) {
      const double angle = p * std::pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(head_width));
      cosine.push_back(std::cos(angle));
      sine.push_back(std::sin(angle));
    }
  }
  dtype == Dtype::float64 ? write<double>(cosine, table.cosine) : write<float>(cosine, table.cosine);
  dtype == Dtype::float64 ? write<double>(sine, table.sine) : write<float>(sine, table.sine);
  return table;
}

void split_heads(const Tensor& x, const RotaryTable& rotary, const Tensor& heads) {
  const Sizes size = check(x, rotary, heads);
  dispatch_float("split_heads", x.dtype(), [&]<class T>() {
    rotary.defined() ? split_rotary_kernel<T>(size, x, rotary, heads) : split_kernel<T>(size, x, heads);
  });
}

void merge_heads(const Tensor& heads, const RotaryTable& rotary, const Tensor& x, bool accumulate) {
  const Sizes size = check(x, rotary, heads);
  dispatch_float("merge_heads", x.dtype(), [&]<class T>() {
    rotary.defined() ? merge_rotary_kernel<T>(size, heads, rotary, x, accumulate)
                     : merge_kernel<T>(size, heads, x, accumulate);
  });
}

}  // namespace longspan::ops
