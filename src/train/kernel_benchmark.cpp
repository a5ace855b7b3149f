#include "train/kernel_benchmark.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/machine.hpp"
#include "base/timer.hpp"
#include "config/value_text.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "tensor/device.hpp"
#include "train/tensor_dump.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kMatrix = 1024;       // rows and columns of the products that give the matrix rate
constexpr std::int64_t kCopied = 128 << 20;  // bytes: more than caches hold

struct PassSeconds {
  double forward = 0, backward = 0;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Bytes/s read and written by a kernel that copies.
double copy_rate() {
  const Tensor from = Tensor::zeros({kCopied / 4}, Dtype::float32, Memory::workspace, "copied");
  const Tensor to = Tensor::zeros({kCopied / 4}, Dtype::float32, Memory::workspace, "copy");
  std::vector<double> seconds;
  for (int i = 0; i < 6; ++i) {
    const Timer timer;
    ops::copy(from, to);
    device::fence();
    seconds.push_back(timer.seconds());
  }
  return 2.0 * kCopied / *std::ranges::min_element(seconds);
}

// Parameters add to what is there, others begin anew.
void forget_gradients(const KernelTrial& trial) {
  for (const auto& [name, input] : trial.inputs) {
    input.is_parameter() ? input.gradient().set_zero() : static_cast<void>(input.take_gradient());
  }
}

// The result of a run stays until the next one.
struct Run {
  PassSeconds seconds;
  Variable result;
};

Run run(const KernelTrial& trial) {
  Run done;
  Tape tape;
  device::fence();
  Timer timer;
  done.result = trial.forward(tape);
  device::fence();
  done.seconds.forward = timer.seconds();
  if (!trial.has_backward) return done;
  timer.restart();
  if (trial.dresult.defined()) done.result.set_gradient(trial.dresult);
  tape.backward();
  device::fence();
  done.seconds.backward = timer.seconds();
  return done;
}

// Inputs, results and gradients of one run.
NamedTensors run_once(const KernelTrial& trial) {
  forget_gradients(trial);
  const Run done = run(trial);
  NamedTensors tensors = trial.others;
  if (done.result.defined()) tensors.emplace_back("result", done.result.value());
  if (trial.dresult.defined()) tensors.emplace_back("dresult", trial.dresult);
  for (const auto& [name, input] : trial.inputs) {
    tensors.emplace_back(name, input.value());
    if (input.gradient().defined()) tensors.emplace_back("d" + name, input.gradient());
  }
  return tensors;
}

struct Rates {
  double matrix = 0, copy = 0;
};

std::vector<ResultTable::Cell> row(const KernelBenchmarkConfig& config, const std::string& kernel, const Rates& rates) {
  const KernelTrial trial =
      make_kernel_trial(kernel, {config.batch, config.length, config.heads, config.width, config.vocabulary,
                                 config.chunk, config.state_width, parse_float_dtype(config.dtype, "bench.dtype")});
  MemoryPool::instance().reset_peak();
  std::vector<double> forward, backward;
  for (std::int64_t i = 0; i <= config.repeats; ++i) {
    forget_gradients(trial);
    const PassSeconds seconds = run(trial).seconds;
    if (i == 0) continue;  // makes plans and buffers
    forward.push_back(seconds.forward);
    backward.push_back(seconds.backward);
  }
  if (!config.tensors.empty()) write_tensors(config.tensors, run_once(trial));
  const KernelFloor& floor = trial.floor;
  const double f = median(forward), b = median(backward);
  // The larger share of the two floors that a pass reaches.
  const auto reached = [&rates](double flops, double bytes, double seconds) {
    return seconds > 0 ? std::max(flops / rates.matrix, bytes / rates.copy) / seconds : 0.0;
  };
  return {{"kernel", "1", kernel},
          {"dtype", "1", config.dtype},
          {"threads", "1", std::int64_t{device::concurrency()}},
          {"batch", "1", config.batch},
          {"length", "token", config.length},
          {"heads", "1", config.heads},
          {"width", "1", config.width},
          {"forward", "s", f},
          {"backward", "s", b},
          {"forward_flops", "FLOP", floor.forward_flops},
          {"backward_flops", "FLOP", floor.backward_flops},
          {"forward_bytes", "byte", floor.forward_bytes},
          {"backward_bytes", "byte", floor.backward_bytes},
          {"forward_reached", "1", reached(floor.forward_flops, floor.forward_bytes, f)},
          {"backward_reached", "1", reached(floor.backward_flops, floor.backward_bytes, b)},
          {"matrix_rate", "FLOP/s", rates.matrix},
          {"copy_rate", "byte/s", rates.copy},
          {"peak_bytes", "byte", static_cast<std::int64_t>(MemoryPool::instance().total().peak)},
          {"peak_resident", "byte", peak_resident_bytes()}};
}

std::vector<std::string> chosen(const KernelBenchmarkConfig& config) {
  if (config.kernels == "all") return kernel_names();
  std::vector<std::string> names = split_list(config.kernels);
  for (const std::string& name : names) {
    if (std::ranges::find(kernel_names(), name) == kernel_names().end()) {
      throw UserError("bench.kernels names '{}', which is no kernel; use all, or some of: {}", name,
                      listed(kernel_names()));
    }
  }
  return names;
}

void check(const KernelBenchmarkConfig& c, std::size_t kernels) {
  const std::pair<const char*, std::int64_t> sizes[] = {
      {"bench.batch", c.batch},     {"bench.length", c.length},          {"bench.heads", c.heads},
      {"bench.width", c.width},     {"bench.vocabulary", c.vocabulary},  {"bench.chunk", c.chunk},
      {"bench.repeats", c.repeats}, {"bench.state_width", c.state_width}};
  for (const auto& [key, value] : sizes) {
    if (value < 1) throw UserError("{} = {} is too small; use 1 or more", key, value);
  }
  if (!c.tensors.empty() && kernels != 1) {
    throw UserError("bench.tensors holds those of one kernel; name a single one in bench.kernels");
  }
}

}  // namespace

void bind(Options& options, KernelBenchmarkConfig& config) {
  options.add("bench.kernels", config.kernels, "Kernels as a,b,c; all of: " + listed(kernel_names()) + ".")
      .add("bench.batch", config.batch, "Sequences.")
      .add("bench.length", config.length, "Tokens of a sequence.")
      .add("bench.heads", config.heads, "Heads; rows have heads x width columns.")
      .add("bench.width", config.width, "Elements of a head.")
      .add("bench.vocabulary", config.vocabulary, "Words of cross_entropy.")
      .add("bench.chunk", config.chunk, "Positions that recurrences compute at once.")
      .add("bench.state_width", config.state_width, "Numbers of a channel's state in selective_scan.")
      .add_choice("bench.dtype", config.dtype, {"float64", "float32", "bfloat16"}, "Precision of the inputs.")
      .add("bench.repeats", config.repeats, "Timed runs; the median counts.")
      .add("bench.output", config.output, "HDF5 file for the table; empty: none.")
      .add("bench.tensors", config.tensors,
           "Safetensors file for the inputs, results and gradients of one kernel, to compare with; empty: none.");
}

ResultTable benchmark_kernels(const KernelBenchmarkConfig& config) {
  const std::vector<std::string> kernels = chosen(config);
  check(config, kernels.size());
  const Dtype dtype = parse_float_dtype(config.dtype, "bench.dtype");
  const Rates rates{ops::measure_matrix_rate(dtype, kMatrix, kMatrix, kMatrix), copy_rate()};
  ResultTable table;
  for (const std::string& kernel : kernels) table.add(row(config, kernel, rates));
  return table;
}

}  // namespace longspan
