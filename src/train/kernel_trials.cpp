#include "train/kernel_trials.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/linear_cross_entropy.hpp"
#include "autograd/functions/recurrence.hpp"
#include "autograd/functions/rnn.hpp"
#include "autograd/functions/selective_scan.hpp"
#include "base/error.hpp"
#include "config/value_text.hpp"
#include "layout/mask.hpp"
#include "ops/adamw.hpp"
#include "ops/attention.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

using Sizes = KernelSizes;

// Numbers that decide nothing about speed but keep every kernel in its ordinary range.
constexpr double kWeightDeviation = 0.02;
constexpr double kNormEpsilon = 1e-5;

Dtype wide(const Sizes& s) { return accumulation_dtype(s.dtype); }

// Makes the inputs of a trial, each from a key of its own.
class Inputs {
 public:
  explicit Inputs(KernelTrial& trial) : trial_(trial) {}

  Tensor random(const Shape& shape, Dtype dtype, double deviation = 1) {
    const Tensor t = Tensor::empty(shape, dtype);
    ops::fill_normal(t.reshape({1, t.size()}), ++key_, deviation, t.size(), 0, {0, 0, t.size()});
    return t;
  }
  Variable input(const char* name, const Tensor& value) {
    trial_.inputs.emplace_back(name, Variable(value));
    return trial_.inputs.back().second;
  }
  Variable parameter(const char* name, const Tensor& value) {
    trial_.inputs.emplace_back(
        name, Variable::parameter(value, Tensor::zeros(value.shape(), accumulation_dtype(value.dtype()))));
    return trial_.inputs.back().second;
  }

 private:
  KernelTrial& trial_;
  std::uint64_t key_ = 0;
};

Shape rows_of(const Sizes& s, std::int64_t columns) { return {s.batch, s.length, columns}; }
double tokens(const Sizes& s) { return static_cast<double>(s.batch * s.length); }
double bytes_of(const Tensor& t) { return static_cast<double>(t.bytes()); }

// The sequence axis of one process.
const Comm& alone() {
  static const Comm comm = Comm::phantom("sequence", 1, 0);
  return comm;
}

// One document, which begins at row 0.
Tensor one_document(const Sizes& s) { return Tensor::zeros({s.batch, s.length}, Dtype::int32); }

// What an element-wise or row-wise kernel must move: forward x and y, backward x, dy and dx.
KernelFloor memory_floor(const Tensor& x) {
  return {.forward_bytes = 2 * bytes_of(x), .backward_bytes = 3 * bytes_of(x)};
}

// gelu(x W^T + b), W [4 D, D].
KernelTrial linear_gelu(const Sizes& s) {
  KernelTrial trial;
  Inputs in(trial);
  const std::int64_t d = s.heads * s.width;
  const Variable x = in.input("x", in.random(rows_of(s, d), s.dtype));
  const Variable weight = in.parameter("weight", in.random({4 * d, d}, s.dtype, kWeightDeviation));
  const Variable bias = in.parameter("bias", in.random({4 * d}, s.dtype, kWeightDeviation));
  trial.dresult = in.random(rows_of(s, 4 * d), s.dtype);
  trial.forward = [=](Tape& tape) { return activation(tape, ops::Activation::gelu, linear(tape, x, weight, bias)); };
  const double flops = 2 * tokens(s) * 4 * static_cast<double>(d * d);
  const double rows = bytes_of(x.value()), matrix = bytes_of(weight.value());
  trial.floor = {flops, 2 * flops, 5 * rows + matrix, 10 * rows + 3 * matrix};
  return trial;
}

KernelTrial gelu(const Sizes& s) {
  KernelTrial trial;
  Inputs in(trial);
  const Variable x = in.input("x", in.random(rows_of(s, s.heads * s.width), s.dtype));
  trial.dresult = in.random(x.value().shape(), s.dtype);
  trial.forward = [=](Tape& tape) { return activation(tape, ops::Activation::gelu, x); };
  trial.floor = memory_floor(x.value());
  return trial;
}

KernelTrial norm(const Sizes& s, bool rms) {
  KernelTrial trial;
  Inputs in(trial);
  const std::int64_t d = s.heads * s.width;
  const Variable x = in.input("x", in.random(rows_of(s, d), s.dtype));
  const Variable weight = in.parameter("weight", in.random({d}, s.dtype));
  const Variable bias = rms ? Variable() : in.parameter("bias", in.random({d}, s.dtype));
  trial.dresult = in.random(x.value().shape(), s.dtype);
  trial.forward = [=](Tape& tape) {
    return rms ? rms_norm(tape, x, weight, kNormEpsilon) : layer_norm(tape, x, weight, bias, kNormEpsilon);
  };
  trial.floor = memory_floor(x.value());
  return trial;
}

// Causal, of whole sequences; q, k, v [B, H, T, K].
KernelTrial attention(const Sizes& s) {
  KernelTrial trial;
  Inputs in(trial);
  const Shape shape{s.batch, s.heads, s.length, s.width};
  const Variable q = in.input("q", in.random(shape, s.dtype)), k = in.input("k", in.random(shape, s.dtype)),
                 v = in.input("v", in.random(shape, s.dtype));
  trial.dresult = in.random(shape, s.dtype);
  std::vector<std::int32_t> begin(static_cast<std::size_t>(s.batch * s.length), 0), end(begin);
  for (std::size_t i = 0; i < end.size(); ++i)
    end[i] = static_cast<std::int32_t>(i) % static_cast<std::int32_t>(s.length) + 1;
  const std::vector<PositionRun> all = {{0, 0, s.length}};
  ops::AttentionRules rules;
  rules.scale = 1 / std::sqrt(static_cast<double>(s.width));
  rules.query_runs = all;
  rules.visible_begin = Indices(begin, {s.batch, s.length});
  rules.visible_end = Indices(end, {s.batch, s.length});
  trial.forward = [=, dtype = wide(s)](Tape& tape) {
    const Variable o(Tensor::empty(shape, q.value().dtype()));
    const Tensor lse = Tensor::empty({shape[0], shape[1], shape[2]}, dtype);
    {
      const ops::AttentionState state = ops::make_attention_state(q.value());
      ops::attention_visit(rules, q.value(), k.value(), v.value(), all, state);
      ops::attention_finish(state, o.value(), lse);
    }
    tape.record("attention", [=] {
      const Tensor dout = o.take_gradient(), delta = Tensor::empty(lse.shape(), dtype);
      ops::attention_delta(o.value(), dout, delta);
      const Tensor dq = Tensor::zeros(shape, dtype), dk = Tensor::zeros(shape, dtype), dv = Tensor::zeros(shape, dtype);
      ops::attention_visit_backward(rules, q.value(), k.value(), v.value(), all, lse, dout, delta, dq, dk, dv);
      q.set_gradient(dq);
      k.set_gradient(dk);
      v.set_gradient(dv);
    });
    return o;
  };
  const double pairs = static_cast<double>(s.batch * s.heads) * static_cast<double>(s.length) *
                       static_cast<double>(s.length + 1) / 2 * static_cast<double>(s.width);
  trial.floor = {4 * pairs, 10 * pairs, 4 * bytes_of(q.value()), 8 * bytes_of(q.value())};
  return trial;
}

// The mean loss of a head W [V, D], made in the backward pass.
KernelTrial cross_entropy(const Sizes& s) {
  KernelTrial trial;
  Inputs in(trial);
  const std::int64_t d = s.heads * s.width, n = s.batch * s.length;
  const Variable x = in.input("x", in.random(rows_of(s, d), s.dtype));
  const Variable weight = in.parameter("weight", in.random({s.vocabulary, d}, s.dtype, kWeightDeviation));
  std::vector<std::int32_t> words(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<std::int32_t>((7919 * static_cast<std::int64_t>(i) + 13) % s.vocabulary);
  }
  const Tensor target = Tensor::from_host(words, {n});
  const Tensor loss = Tensor::zeros({1}, Dtype::float64);
  trial.others = {{"target", target}, {"loss", loss}};
  trial.forward = [=, factor = 1 / static_cast<double>(n)](Tape& tape) {
    const AnswerSums answers;
    tape.record("mean loss", [=] {
      ops::copy(answers.loss(), loss);
      ops::scale(loss, factor);
    });
    linear_cross_entropy(tape, x, weight, target, 0, factor, alone(), answers);
    return Variable();
  };
  const double flops = 2 * tokens(s) * static_cast<double>(d * s.vocabulary), matrix = bytes_of(weight.value());
  trial.floor = {.backward_flops = 3 * flops, .backward_bytes = 2 * bytes_of(x.value()) + 3 * matrix};
  return trial;
}

// B T H K weights in one flat array, the first step.
KernelTrial adamw(const Sizes& s) {
  KernelTrial trial;
  Inputs in(trial);
  const Shape shape{s.batch * s.length * s.heads * s.width};
  const Tensor start = in.random(shape, wide(s)), gradient = in.random(shape, wide(s));
  const Tensor weight = Tensor::empty(shape, wide(s)), m = Tensor::zeros(shape, wide(s)),
               v = Tensor::zeros(shape, wide(s));
  ops::copy(start, weight);
  trial.others = {{"start", start}, {"gradient", gradient}, {"weight", weight}};
  trial.has_backward = false;
  trial.forward = [=, t = std::make_shared<std::int64_t>(0)](Tape&) {
    ops::adamw(weight, m, v, gradient, weight, {.rate = 1e-3, .decay = 0.1, .step = ++*t});
    return Variable();
  };
  trial.floor = {.forward_bytes = 7 * bytes_of(weight)};
  return trial;
}

enum class Rule { sum, head_decay, channel_decay, delta, gated_delta };

// The products that chunks of C tokens must do. A token and head: scores C K, their product with values C V, state in
// and out 2 K V, each a multiply-add; half of the scores and of their product is masked, which blocks of C x C cannot
// leave out. The delta rule adds k k^T, and (I + A)^-1 by a triangle's solve on K + V columns, and W S.
double recurrence_flops(const Sizes& s, bool delta) {
  const double c = static_cast<double>(s.chunk), k = static_cast<double>(s.width), v = k;
  double pairs = c * k + c * v + 2 * k * v;
  if (delta) pairs += c * k + c * (k + v) / 2 + k * v;
  return 2 * tokens(s) * static_cast<double>(s.heads) * pairs;
}

KernelTrial recurrent(const Sizes& s, Rule rule) {
  KernelTrial trial;
  Inputs in(trial);
  const std::int64_t d = s.heads * s.width;
  const bool delta = rule == Rule::delta || rule == Rule::gated_delta, by_channel = rule == Rule::channel_decay;
  const ops::RecurrenceSettings settings{
      .heads = s.heads, .key_heads = s.heads, .chunk = s.chunk, .scale = 1 / std::sqrt(static_cast<double>(s.width))};
  // Keys of length about one keep the delta rule stable.
  const double key = delta ? 1 / std::sqrt(static_cast<double>(s.width)) : 1;
  RecurrenceVariables variables{.q = in.input("q", in.random(rows_of(s, d), s.dtype)),
                                .k = in.input("k", in.random(rows_of(s, d), s.dtype, key)),
                                .v = in.input("v", in.random(rows_of(s, d), s.dtype)),
                                .log_decay = {}};
  const std::int64_t gates = by_channel ? d : s.heads;
  const bool decays = rule != Rule::sum && rule != Rule::delta;
  const Tensor log_decay = Tensor::zeros(rows_of(s, gates), wide(s));
  if (decays) {  // log a = -x^2 / 10, mostly above -0.4
    const Tensor x = in.random(log_decay.shape(), wide(s));
    ops::multiply_elements(x, x);
    ops::add_scaled(x, -0.1, log_decay);
    variables.log_decay = in.input("log_decay", log_decay);
  } else {
    variables.log_decay = Variable(log_decay, false);
  }
  if (delta) {
    const Tensor beta = in.random(rows_of(s, s.heads), wide(s), 0.1);
    const Tensor half = Tensor::empty(beta.shape(), wide(s));
    ops::fill(half, 0.5);
    ops::add(beta, half, beta);
    variables.beta = in.input("beta", beta);
  }
  trial.dresult = in.random(rows_of(s, d), s.dtype);
  trial.forward = [=, documents = one_document(s)](Tape& tape) {
    return recurrence(tape, settings, variables, documents, alone());
  };
  const double flops = recurrence_flops(s, delta), rows = bytes_of(variables.q.value());
  const double gate_bytes = bytes_of(log_decay);
  trial.floor = {flops, 2 * flops, 4 * rows + gate_bytes, 8 * rows + 2 * gate_bytes};
  return trial;
}

// The scan of mamba over H K channels with states of N numbers.
KernelTrial selective(const Sizes& s) {
  KernelTrial trial;
  Inputs in(trial);
  const std::int64_t d = s.heads * s.width, n = s.state_width;
  const Tensor step = in.random(rows_of(s, d), wide(s));
  ops::multiply_elements(step, step);
  ops::scale(step, 0.05);
  const Tensor log_rate = Tensor::empty({d, n}, s.dtype);
  std::vector<double> logs(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < logs.size(); ++i) logs[i] = std::log(static_cast<double>(i + 1));
  ops::repeat_row(Tensor::from_host(logs, {n}), log_rate);
  const SelectiveScanVariables variables{.x = in.input("x", in.random(rows_of(s, d), s.dtype)),
                                         .step = in.input("step", step),
                                         .write = in.input("write", in.random(rows_of(s, n), s.dtype)),
                                         .read = in.input("read", in.random(rows_of(s, n), s.dtype)),
                                         .log_rate = in.parameter("log_rate", log_rate),
                                         .skip = in.parameter("skip", in.random({d}, s.dtype))};
  trial.dresult = in.random(rows_of(s, d), s.dtype);
  trial.forward = [=, documents = one_document(s), chunk = s.chunk](Tape& tape) {
    return selective_scan(tape, variables, documents, chunk, alone(), {});
  };
  const double rows = bytes_of(variables.x.value()), wide_rows = bytes_of(step),
               maps = bytes_of(variables.read.value());
  trial.floor = {6 * tokens(s) * static_cast<double>(d * n), 18 * tokens(s) * static_cast<double>(d * n),
                 2 * rows + wide_rows + 2 * maps, 3 * rows + 2 * wide_rows + 4 * maps};
  return trial;
}

// An LSTM with heads: the product of the inputs, W [4 D, D], then the steps.
KernelTrial lstm(const Sizes& s) {
  KernelTrial trial;
  Inputs in(trial);
  const std::int64_t k = s.width, d = s.heads * k;
  const double deviation = 1 / std::sqrt(3.0 * static_cast<double>(k));
  const Variable x = in.input("x", in.random(rows_of(s, d), s.dtype));
  const Variable input = in.parameter("input", in.random({4 * d, d}, s.dtype, deviation));
  const RnnParameters parameters{in.parameter("weight", in.random({4 * d, k}, s.dtype, deviation)),
                                 in.parameter("bias", in.random({4 * d}, s.dtype, kWeightDeviation))};
  trial.dresult = in.random(rows_of(s, d), s.dtype);
  trial.forward = [=, resets = Tensor::zeros({s.batch, s.length}, Dtype::int32), heads = s.heads](Tape& tape) {
    const Variable gates = split_heads(tape, linear(tape, x, input), heads);
    return merge_heads(tape, rnn(tape, ops::RnnCell::lstm, gates, parameters, {0, heads}, resets));
  };
  const double flops = 2 * tokens(s) * static_cast<double>(4 * d * (d + k)), rows = bytes_of(x.value());
  trial.floor = {flops, 2 * flops, 2 * rows, 4 * rows};
  return trial;
}

using Maker = std::function<KernelTrial(const Sizes&)>;

const std::map<std::string, Maker>& makers() {
  static const std::map<std::string, Maker> all = {
      {"linear_gelu", linear_gelu},
      {"gelu", gelu},
      {"layer_norm", [](const Sizes& s) { return norm(s, false); }},
      {"rms_norm", [](const Sizes& s) { return norm(s, true); }},
      {"attention", attention},
      {"cross_entropy", cross_entropy},
      {"adamw", adamw},
      {"linear_attention", [](const Sizes& s) { return recurrent(s, Rule::sum); }},
      {"retnet", [](const Sizes& s) { return recurrent(s, Rule::head_decay); }},
      {"gla", [](const Sizes& s) { return recurrent(s, Rule::channel_decay); }},
      {"deltanet", [](const Sizes& s) { return recurrent(s, Rule::delta); }},
      {"gated_deltanet", [](const Sizes& s) { return recurrent(s, Rule::gated_delta); }},
      {"selective_scan", selective},
      {"lstm", lstm}};
  return all;
}

}  // namespace

const std::vector<std::string>& kernel_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [name, maker] : makers()) all.push_back(name);
    return all;
  }();
  return names;
}

KernelTrial make_kernel_trial(const std::string& kernel, const KernelSizes& sizes) {
  const auto found = makers().find(kernel);
  if (found == makers().end()) {
    throw UserError("bench.kernel = '{}' is no kernel; use one of: {}", kernel, listed(kernel_names()));
  }
  return found->second(sizes);
}

}  // namespace longspan
