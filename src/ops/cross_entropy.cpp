#include "ops/cross_entropy.hpp"

#include <limits>

#include "ops/elementwise.hpp"
#include "ops/math.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

// What to subtract before exp: a row of only -infinity has maximum -infinity, and -inf - -inf is no number.
template <class A>
KOKKOS_INLINE_FUNCTION A finite_shift(A x) {
  return x == -Kokkos::Experimental::infinity_v<A> ? A(0) : x;
}

template <class T>
void take_columns_kernel(const Tensor& logits, const Tensor& target, std::int64_t first, const SoftmaxRows& rows) {
  using A = accumulation_t<T>;
  const T* const z = logits.data<T>();
  const std::int32_t* const at = target.data<std::int32_t>();
  A *const maxima = rows.maxima.data<A>(), *const sums = rows.sums.data<A>();
  A* const picked = rows.target_logit.data<A>();
  A* const totals = rows.logit_sums.defined() ? rows.logit_sums.data<A>() : nullptr;
  const int cols = static_cast<int>(logits.dim(-1));
  for_rows(
      "longspan::ops::take_columns", logits.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t n) {
        const T* const row = z + n * cols;
        const A before = maxima[n], here = max_columns<A>(team, cols, [&](int c) { return A(row[c]); });
        const A largest = here > before ? here : before;
        const A shift = finite_shift(largest);
        const A sum = sum_columns<A>(team, cols, [&](int c) { return math::exp(A(row[c]) - shift); });
        const A total = totals ? sum_columns<A>(team, cols, [&](int c) { return A(row[c]); }) : A(0);
        const std::int64_t local = at[n] - first;
        const A sums_before = sums[n];
        wait_for_team(team);  // all have read what the row was before
        sums[n] = sums_before * math::exp(before - shift) + sum;
        maxima[n] = largest;
        if (at[n] >= 0 && local >= 0 && local < cols) picked[n] = A(row[local]);
        if (totals && is_first(team)) totals[n] += total;
      });
}

template <class A>
void rebase_kernel(const Tensor& from, const Tensor& to, const Tensor& sums) {
  const A *const old = from.data<A>(), *const now = to.data<A>();
  A* const sum = sums.data<A>();
  for_elements(
      "longspan::ops::rebase_sums", sums.size(),
      KOKKOS_LAMBDA(std::int64_t n) { sum[n] *= math::exp(old[n] - finite_shift(now[n])); });
}

template <class A>
void expected_kernel(const Tensor& target_logit, const Tensor& logit_sums, const LossRule& rule,
                     const Tensor& expected) {
  const A *const picked = target_logit.data<A>(), *const all = logit_sums.data<A>();
  A* const out = expected.data<A>();
  const A kept = A(1 - rule.smoothing), each = A(rule.smoothing / static_cast<double>(rule.vocabulary));
  for_elements(
      "longspan::ops::expected_logits", expected.size(),
      KOKKOS_LAMBDA(std::int64_t n) { out[n] = kept * picked[n] + each * all[n]; });
}

template <class T>
void softmax_gradient_kernel(const Tensor& logits, const Tensor& lse, const Tensor& target, std::int64_t first,
                             double factor, const LossRule& rule) {
  using A = accumulation_t<T>;
  T* const z = logits.data<T>();
  const A* const total = lse.data<A>();
  const std::int32_t* const at = target.data<std::int32_t>();
  const int cols = static_cast<int>(logits.dim(-1));
  const A f = A(factor), kept = A(1 - rule.smoothing), w = A(2 * rule.z_loss);
  const A each = A(rule.smoothing / static_cast<double>(rule.vocabulary));
  for_rows(
      "longspan::ops::softmax_gradient", logits.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t n) {
        T* const row = z + n * cols;
        if (at[n] < 0) {
          for_columns(team, cols, [&](int c) { row[c] = T(0.0f); });
          return;
        }
        const std::int64_t offset = at[n] - first;
        const int local = offset >= 0 && offset < cols ? static_cast<int>(offset) : -1;
        const A shift = finite_shift(total[n]);
        const A scale = A(1) + w * shift, shift2 = shift * math::kLog2E<A>;
        const A of_target = kept;  // loaded once: a load under a condition is not vectorised
        write_columns(team, cols, row, [&](int c) {
          const A p = math::exp2_to_one(Kokkos::fma(A(row[c]), math::kLog2E<A>, -shift2));
          return f * (scale * p - (c == local ? of_target : A(0)) - each);
        });
      });
}

template <class A>
void finish_kernel(const Tensor& maxima, const Tensor& sums, const Tensor& expected, const Tensor& target,
                   const Tensor& lse, const Tensor& losses, const LossRule& rule) {
  const A *const largest = maxima.data<A>(), *const sum = sums.data<A>(), *const picked = expected.data<A>();
  const A w = A(rule.z_loss);
  const std::int32_t* const at = target.data<std::int32_t>();
  A *const total = lse.data<A>(), *const loss = losses.data<A>();
  for_elements(
      "longspan::ops::finish_cross_entropy", sums.size(), KOKKOS_LAMBDA(std::int64_t n) {
        const A l = largest[n] + Kokkos::log(sum[n]);
        total[n] = l;
        loss[n] = at[n] >= 0 ? l - picked[n] + w * l * l : A(0);
      });
}

void check_rows(const char* op, std::int64_t rows, std::initializer_list<const Tensor*> per_row) {
  for (const Tensor* t : per_row) {
    LONGSPAN_CHECK(t->size() == rows, "[{}] {} entries for {} rows", op, t->size(), rows);
  }
}

template <class A>
void hits_kernel(const Tensor& maxima, const Tensor& target_logit, const Tensor& target, const Tensor& hits) {
  const A *const largest = maxima.data<A>(), *const picked = target_logit.data<A>();
  const std::int32_t* const at = target.data<std::int32_t>();
  std::int32_t* const hit = hits.data<std::int32_t>();
  for_elements(
      "longspan::ops::find_hits", target.size(),
      KOKKOS_LAMBDA(std::int64_t n) { hit[n] = at[n] >= 0 && picked[n] >= largest[n] ? 1 : 0; });
}

}  // namespace

void begin_softmax(const SoftmaxRows& rows) {
  fill(rows.maxima, -std::numeric_limits<double>::infinity());
  for (const Tensor& t : {rows.sums, rows.target_logit, rows.logit_sums}) {
    if (t.defined()) t.set_zero();
  }
}

void take_columns(const Tensor& logits, const Tensor& target, std::int64_t first, const SoftmaxRows& rows) {
  check_rows("take_columns", logits.rows(), {&target, &rows.maxima, &rows.sums, &rows.target_logit});
  if (rows.logit_sums.defined()) check_rows("take_columns", logits.rows(), {&rows.logit_sums});
  dispatch_float("take_columns", logits.dtype(),
                 [&]<class T>() { take_columns_kernel<T>(logits, target, first, rows); });
}

void rebase_sums(const Tensor& from, const Tensor& to, const Tensor& sums) {
  check_rows("rebase_sums", sums.size(), {&from, &to});
  dispatch_accumulation("rebase_sums", sums.dtype(), [&]<class A>() { rebase_kernel<A>(from, to, sums); });
}

void expected_logits(const Tensor& target_logit, const Tensor& logit_sums, const LossRule& rule,
                     const Tensor& expected) {
  check_rows("expected_logits", expected.size(), {&target_logit, &logit_sums});
  dispatch_accumulation("expected_logits", expected.dtype(),
                        [&]<class A>() { expected_kernel<A>(target_logit, logit_sums, rule, expected); });
}

void softmax_gradient(const Tensor& logits, const Tensor& lse, const Tensor& target, std::int64_t first, double factor,
                      const LossRule& rule) {
  check_rows("softmax_gradient", logits.rows(), {&lse, &target});
  dispatch_float("softmax_gradient", logits.dtype(),
                 [&]<class T>() { softmax_gradient_kernel<T>(logits, lse, target, first, factor, rule); });
}

void finish_cross_entropy(const Tensor& maxima, const Tensor& sums, const Tensor& expected, const Tensor& target,
                          const Tensor& lse, const Tensor& losses, const LossRule& rule) {
  check_rows("finish_cross_entropy", maxima.size(), {&sums, &expected, &target, &lse, &losses});
  dispatch_accumulation("finish_cross_entropy", maxima.dtype(),
                        [&]<class A>() { finish_kernel<A>(maxima, sums, expected, target, lse, losses, rule); });
}

void find_hits(const Tensor& maxima, const Tensor& target_logit, const Tensor& target, const Tensor& hits) {
  check_rows("find_hits", maxima.size(), {&target_logit, &target, &hits});
  dispatch_accumulation("find_hits", maxima.dtype(),
                        [&]<class A>() { hits_kernel<A>(maxima, target_logit, target, hits); });
}

}  // namespace longspan::ops
