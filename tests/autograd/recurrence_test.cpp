// The chunkwise recurrence against the naive one and central differences, every chunk size and number of ranks; the
// published worked examples; counted bytes.
#include "autograd/functions/recurrence.hpp"

#include <gtest/gtest.h>

#include "comm/counters.hpp"
#include "layout/scan_method.hpp"
#include "layout/sequence_shard.hpp"
#include "reference/recurrence.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

struct Case {
  std::int64_t B = 2, H = 2, Hk = 2, T = 13, K = 3, V = 4, G = 1, chunk = 4;
  bool delta = false;
  std::vector<std::vector<std::int64_t>> documents = {};
  double decay = 1;  // mean size of the log decays
  Dtype dtype = Dtype::float64;
  bool reversed = false;  // documents then count from the last position
  std::int64_t at_once = 0;
};

// All positions, [B, T, heads * width].
struct Inputs {
  Values q, k, v, log_decay, beta;
  Values* all[5] = {&q, &k, &v, &log_decay, &beta};
  Inputs() = default;
  Inputs(const Inputs& o) : q(o.q), k(o.k), v(o.v), log_decay(o.log_decay), beta(o.beta) {}
};

Inputs make_inputs(const Case& c) {
  Inputs in;
  const std::int64_t rows = c.B * c.T;
  in.q = random_values(rows * c.Hk * c.K, 1, c.dtype);
  in.k = random_values(rows * c.Hk * c.K, 2, c.dtype);
  in.v = random_values(rows * c.H * c.V, 3, c.dtype);
  in.log_decay = random_values(rows * c.H * c.G, 4, accumulation_dtype(c.dtype));
  for (double& g : in.log_decay) g = rounded(-c.decay * g * g, accumulation_dtype(c.dtype));
  if (!c.delta) return in;
  in.beta = random_values(rows * c.H, 5);
  for (double& b : in.beta) b = rounded(2 / (1 + std::exp(-b)), accumulation_dtype(c.dtype));
  // Keys of length 1, without which the delta rule need not be stable.
  for (std::int64_t i = 0; i < rows * c.Hk; ++i) {
    double square = 1e-6;
    for (std::int64_t j = 0; j < c.K; ++j) square += in.k[i * c.K + j] * in.k[i * c.K + j];
    for (std::int64_t j = 0; j < c.K; ++j) in.k[i * c.K + j] = rounded(in.k[i * c.K + j] / std::sqrt(square), c.dtype);
  }
  return in;
}

double scale_of(const Case& c) { return 1 / std::sqrt(static_cast<double>(c.K)); }

Values reference_output(const Case& c, const Inputs& in) {
  Values o(c.B * c.T * c.H * c.V);
  for (std::int64_t b = 0; b < c.B; ++b) {
    for (std::int64_t h = 0; h < c.H; ++h) {
      reference::Recurrence r{.T = c.T, .K = c.K, .V = c.V, .G = c.G, .scale = scale_of(c)};
      const auto take = [&](const Values& all, std::int64_t heads, std::int64_t head, std::int64_t width) {
        Values part;
        for (std::int64_t t = 0; t < c.T && !all.empty(); ++t) {
          const std::int64_t row = c.reversed ? c.T - 1 - t : t;
          const auto at = all.begin() + ((b * c.T + row) * heads + head) * width;
          part.insert(part.end(), at, at + width);
        }
        return part;
      };
      r.q = take(in.q, c.Hk, h / (c.H / c.Hk), c.K);
      r.k = take(in.k, c.Hk, h / (c.H / c.Hk), c.K);
      r.v = take(in.v, c.H, h, c.V);
      r.log_decay = take(in.log_decay, c.H, h, c.G);
      r.beta = take(in.beta, c.H, h, 1);
      if (!c.documents.empty()) r.starts = c.documents[static_cast<std::size_t>(b)];
      const Values out = r.forward();
      for (std::int64_t t = 0; t < c.T; ++t) {
        const std::int64_t row = c.reversed ? c.T - 1 - t : t;
        std::copy_n(out.begin() + t * c.V, c.V, o.begin() + ((b * c.T + row) * c.H + h) * c.V);
      }
    }
  }
  return o;
}

struct Answer {
  Values o;
  std::vector<Values> gradients;
  std::int64_t forward_bytes = 0, backward_bytes = 0;
};

// This rank's rows of the answer.
class RankRun {
 public:
  RankRun(const Case& c, const Comm& axis)
      : c_(c), axis_(axis), shard_(ShardKind::contiguous, c.T, axis.size(), axis.rank()) {}

  Values local(const Values& all) const {
    const std::int64_t width = static_cast<std::int64_t>(all.size()) / (c_.B * c_.T);
    Values rows;
    for (std::int64_t b = 0; b < c_.B; ++b) {
      for (const std::int64_t t : shard_.positions()) {
        const auto at = all.begin() + (b * c_.T + t) * width;
        rows.insert(rows.end(), at, at + width);
      }
    }
    return rows;
  }

  Answer run(const Inputs& in, const Values& dout) const {
    const auto bytes = [&] { return CommCounters::instance().of_group(axis_.name()).bytes; };
    const Dtype wide = accumulation_dtype(c_.dtype);
    RecurrenceVariables x{variable(in.q, c_.dtype), variable(in.k, c_.dtype), variable(in.v, c_.dtype),
                          variable(in.log_decay, wide)};
    if (c_.delta) x.beta = variable(in.beta, wide);
    Tape tape;
    const std::int64_t start = bytes();
    const Variable o = recurrence(
        tape,
        {.heads = c_.H,
         .key_heads = c_.Hk,
         .chunk = c_.chunk,
         .scale = scale_of(c_),
         .reversed = c_.reversed,
         .at_once = c_.at_once},
        x, documents(), axis_);
    const std::int64_t middle = bytes();
    o.set_gradient(tensor(dout, c_.dtype));
    tape.backward();
    Answer result{.o = to_values(o.value()),
                  .gradients = {},
                  .forward_bytes = middle - start,
                  .backward_bytes = bytes() - middle};
    for (const Variable& v : {x.q, x.k, x.v, x.log_decay, x.beta}) {
      result.gradients.push_back(v.defined() ? to_values(v.gradient()) : Values{});
    }
    return result;
  }

 private:
  Tensor tensor(const Values& all, Dtype dtype) const {
    return to_tensor(local(all), {c_.B, shard_.local_length(), static_cast<std::int64_t>(all.size()) / (c_.B * c_.T)},
                     dtype);
  }
  Variable variable(const Values& all, Dtype dtype) const { return Variable(tensor(all, dtype)); }

  Tensor documents() const {
    std::vector<std::int32_t> rows;
    std::vector<std::int64_t> positions = shard_.positions();
    if (c_.reversed) {
      std::reverse(positions.begin(), positions.end());
      for (std::int64_t& t : positions) t = c_.T - 1 - t;
    }
    for (std::int64_t b = 0; b < c_.B; ++b) {
      for (const std::int64_t t : positions) {
        std::int64_t start = -1000;
        for (const std::int64_t s : c_.documents.empty() ? std::vector<std::int64_t>{} : c_.documents[b]) {
          if (s <= t) start = s - positions[0];
        }
        rows.push_back(static_cast<std::int32_t>(start));
      }
    }
    return Tensor::from_host(rows, {c_.B, shard_.local_length()});
  }

  Case c_;
  const Comm& axis_;
  SequenceShard shard_;
};

Values output_gradient(const Case& c) { return random_values(c.B * c.T * c.H * c.V, 9); }

void expect_right(const Case& c) {
  const Comm axis = world().split("sequence", 0, world().rank());
  const Inputs in = make_inputs(c);
  const Values dout = output_gradient(c);
  const RankRun rank(c, axis);
  const Answer run = rank.run(in, dout);
  const Values o = reference_output(c, in);
  EXPECT_LT(distance(run.o, rank.local(o)), 1e-10);
  for (int i = 0; i < 5; ++i) {
    if (in.all[i]->empty()) continue;
    const Values numeric = numeric_gradient(
        [&](const Values& changed) {
          Inputs other = in;
          *other.all[i] = changed;
          return dot(reference_output(c, other), dout);
        },
        *in.all[i]);
    EXPECT_LT(distance(run.gradients[i], rank.local(numeric)), kDifferenceTolerance) << "input " << i;
  }
}

void expect_right_for_every_kind(Case c) {
  for (const auto& [G, delta] : {std::pair{std::int64_t{1}, false}, {c.K, false}, {std::int64_t{1}, true}}) {
    SCOPED_TRACE(delta ? "delta" : G == 1 ? "one decay a head" : "one decay a channel");
    c.G = G, c.delta = delta;
    expect_right(c);
  }
}

TEST(Recurrence, EveryChunkSize) {
  for (const std::int64_t chunk : {1, 2, 5, 13, 64}) {
    SCOPED_TRACE(chunk);
    expect_right_for_every_kind({.chunk = chunk});
  }
}

TEST(Recurrence, DocumentsDoNotLeak) {
  for (const std::int64_t chunk : {1, 3, 16}) {
    SCOPED_TRACE(chunk);
    expect_right_for_every_kind({.chunk = chunk, .documents = {{0, 5, 6}, {3, 12}}});
  }
}

TEST(Recurrence, FewerTokensThanRanksAndShortSequences) {
  for (const std::int64_t T : {1, 2, 3, 7}) expect_right_for_every_kind({.T = T});
}

TEST(Recurrence, FromTheLastTokenToTheFirst) {
  for (const std::int64_t T : {1, 3, 13}) {
    expect_right_for_every_kind({.T = T, .reversed = true});
    expect_right_for_every_kind({.T = T, .chunk = 3, .documents = {{0, 5, 6}, {3, 12}}, .reversed = true});
  }
}

TEST(Recurrence, KeysSharedByHeads) {
  expect_right_for_every_kind({.H = 4, .Hk = 1, .T = 5});
  expect_right_for_every_kind({.H = 4, .Hk = 2, .T = 5});
}

// Few chunks at a time, of few pairs: the last of them cut short, a window that ends inside a sequence's heads.
TEST(Recurrence, EveryCutIntoWindows) {
  for (const std::int64_t at_once : {1, 2, 3, 5, 11}) {
    SCOPED_TRACE(at_once);
    expect_right_for_every_kind({.H = 3, .Hk = 3, .T = 9, .chunk = 2, .at_once = at_once});
    expect_right_for_every_kind(
        {.H = 4, .Hk = 2, .T = 7, .chunk = 1, .documents = {{0, 3}, {2}}, .reversed = at_once == 3, .at_once = at_once});
  }
}

// Chunks of several sub-chunks, the last of them cut short.
TEST(Recurrence, SubChunks) { expect_right({.B = 1, .H = 1, .Hk = 1, .T = 75, .K = 2, .V = 1, .G = 2, .chunk = 41}); }

TEST(Recurrence, DecaysNearZeroAndOne) {
  for (const double decay : {0.0, 1e-3, 300.0, 1e5}) expect_right_for_every_kind({.decay = decay});
}

// What crosses ranks: one map or state a rank and direction, whatever the length.
TEST(Recurrence, BytesAreTheClosedFormAndDoNotDependOnTheLength) {
  const Comm axis = world().split("sequence", 0, world().rank());
  const int S = axis.size(), me = axis.rank();
  for (const std::int64_t T : {3, 13, 50}) {
    for (const bool delta : {false, true}) {
      const Case c{.T = T, .delta = delta};
      const Answer run = RankRun(c, axis).run(make_inputs(c), output_gradient(c));
      const std::int64_t state = c.B * c.H * c.K * c.V;
      const std::int64_t map = state + c.B * c.H * (delta ? c.K * c.K : 1);
      const ScanMethod method = choose_scan(S, 8 * map, 8 * state);
      EXPECT_EQ(run.forward_bytes, 8 * scan_volume(method, S, me, map, state).elements);
      EXPECT_EQ(run.backward_bytes, 8 * scan_volume(method, S, S - 1 - me, map, state).elements);
    }
  }
}

}  // namespace
}  // namespace longspan::testing
