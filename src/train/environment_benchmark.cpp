#include "train/environment_benchmark.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <functional>
#include <limits>

#include "base/timer.hpp"
#include "comm/mesh.hpp"
#include "comm/runtime.hpp"
#include "comm/together.hpp"
#include "config/free_axis.hpp"
#include "mixers/sequence/measure_rates.hpp"
#include "ops/matmul.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kMatrix = 1024;  // rows and columns of the products that are timed
constexpr std::int64_t kSmall = 256;    // of those that messages hide behind
constexpr double kMatrixSeconds = 0.2;
constexpr std::int64_t kCopied = 128 << 20;  // bytes: more than caches hold
constexpr int kRepeats = 5;

MeshShape mesh_of(const EnvironmentBenchmarkConfig& config, int ranks) {
  ParallelConfig parallel;
  parallel.data = config.data;
  parallel.tensor = config.tensor;
  parallel.pipeline = config.pipeline;
  parallel.sequence = config.sequence;
  fill_free_axis(parallel, ranks);
  return {static_cast<int>(parallel.data), static_cast<int>(parallel.tensor), static_cast<int>(parallel.pipeline),
          static_cast<int>(parallel.sequence)};
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Environment find_environment(const EnvironmentBenchmarkConfig& config, const Mesh& mesh) {
  Environment found{.machine = find_machine(),
                    .mpi = mpi_facts(),
                    .placement = placement(mesh.world()),
                    .mesh = mesh.shape(),
                    .device = device::description(),
                    .devices = device::count(),
                    .omp_threads = variable("OMP_NUM_THREADS"),
                    .omp_bind = variable("OMP_PROC_BIND"),
                    .omp_places = variable("OMP_PLACES"),
                    .directory = config.directory,
                    .file_system = file_system(config.directory)};
  found.threads = found.devices > 0 ? 1 : device::concurrency();
  const std::int64_t cores = found.machine.cores;
  found.fewest_cores = static_cast<int>(mesh.world().all_reduce_value(cores, Reduce::min));
  found.most_cores = static_cast<int>(mesh.world().all_reduce_value(cores, Reduce::max));
  return found;
}

std::string or_unset(const std::string& value) { return value.empty() ? "unset" : value; }

void list_found(const Environment& e, EnvironmentReport& report) {
  report.found("processor", e.machine.processor);
  report.found("cores", std::format("{} of a node, {} for rank 0, {} NUMA nodes; caches {}", e.machine.cores,
                                    e.machine.allowed_cores, e.machine.numa_nodes, e.machine.caches));
  report.found("memory", format_bytes(static_cast<double>(e.machine.memory)) + " of a node");
  report.found("kernels", e.device);
  report.found("GPUs", e.devices == 0 ? "none that the kernels use" : std::format("{} of a node", e.devices));
  report.found("OpenMP", std::format("OMP_NUM_THREADS {}, OMP_PROC_BIND {}, OMP_PLACES {}", or_unset(e.omp_threads),
                                     or_unset(e.omp_bind), or_unset(e.omp_places)));
  report.found("MPI", std::format("{}; standard {}, threads {}", e.mpi.library, e.mpi.standard, e.mpi.thread_level));
  report.found("transports", e.mpi.transports.empty() ? "as the library chooses" : e.mpi.transports);
  std::string interfaces;
  for (const std::string& name : e.machine.interfaces) interfaces += (interfaces.empty() ? "" : ", ") + name;
  report.found("network", interfaces.empty() ? "no interface is up" : interfaces);
  report.found("ranks", std::format("{} on {} {}, {} with rank 0", e.mesh.size(), e.placement.nodes,
                                    e.placement.nodes == 1 ? "node" : "nodes", e.placement.ranks_here));
  report.found("mesh", e.mesh.str());
  report.found("run.directory", std::format("{} on {}", e.directory, or_unset(e.file_system)));
}

// Ranks that share a core would measure each other: one rank a core does, the others wait.
double sum_over_cores(const Comm& world, const std::function<double()>& rate) {
  world.barrier();
  return world.all_reduce_value(one_of_the_cores() ? rate() : 0.0);
}

double median_seconds(const std::function<void()>& body) {
  std::vector<double> seconds;
  for (int i = 0; i <= kRepeats; ++i) {
    const Timer timer;
    body();
    if (i > 0) seconds.push_back(timer.seconds());  // the first one makes plans and buffers
  }
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

// Bytes/s read and written.
double copy_rate() {
  const Tensor from = Tensor::zeros({kCopied / 4}, Dtype::float32, Memory::workspace, "copied");
  const Tensor to = Tensor::zeros({kCopied / 4}, Dtype::float32, Memory::workspace, "copy");
  const double seconds = median_seconds([&] {
    device::copy_on_device(to.raw(), from.raw(), from.bytes());
    device::fence();
  });
  return 2.0 * kCopied / seconds;
}

// With m seconds of messages round a ring and c of products as long as these, apart, and b of both at once: the hidden
// share of the shorter, (m + c - b) / min(m, c). Mean over the ranks.
double hidden_share(const Comm& world, std::int64_t bytes) {
  const Comm ring = world.split("measurement", 0, world.rank());
  const int next = (ring.rank() + 1) % ring.size(), previous = (ring.rank() + ring.size() - 1) % ring.size();
  const Tensor out = Tensor::zeros({bytes / 4}, Dtype::float32), in = Tensor::zeros({bytes / 4}, Dtype::float32);
  const Tensor a = Tensor::zeros({kSmall, kSmall}, Dtype::float32), b = Tensor::zeros({kSmall, kSmall}, Dtype::float32);
  const auto messages = [&](const std::function<void()>& meanwhile) {
    Request received = ring.receive_async(in, previous, 1), sent = ring.send_async(out, next, 1);
    meanwhile();
    received.wait();
    sent.wait();
  };
  const auto product = [&] {
    ops::matmul(ops::MatrixRef(a), ops::MatrixRef(a), ops::MatrixRef(b));
    device::fence();
  };
  ring.barrier();
  const double m = median_seconds([&] { messages([] {}); });
  const double one = median_seconds(product);
  const auto count = static_cast<int>(std::clamp(ring.all_reduce_value(m / one, Reduce::max), 1.0, 1000.0));
  const auto products = [&] {
    for (int i = 0; i < count; ++i) {
      product();
      progress();
    }
  };
  ring.barrier();
  const double c = median_seconds(products);
  ring.barrier();
  const double both = median_seconds([&] { messages(products); });
  const double share = std::clamp((m + c - both) / std::min(m, c), 0.0, 1.0);
  return ring.all_reduce_value(share) / ring.size();
}

void measure_kernels(const Comm& world, EnvironmentReport& report) {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    const double rate = sum_over_cores(
        world, [&] { return ops::measure_matrix_rate(dtype, kMatrix, kMatrix, kMatrix, kMatrixSeconds); });
    report.measured(std::format("products {}", to_string(dtype)), rate, "FLOP/s",
                    std::format("{:.1f} GFLOP/s, all ranks together", rate / 1e9));
  }
  const double copied = sum_over_cores(world, copy_rate);
  report.measured("memory", copied, "byte/s",
                  std::format("{}/s read and written by a copy, all ranks together", format_bytes(copied)));
}

void measure_messages(const Mesh& mesh, std::int64_t bytes, EnvironmentReport& report) {
  const Comm& world = mesh.world();
  for (const Axis axis : kAxes) {
    if (mesh.shape().extent(axis) == 1) continue;
    const LinkRates links = measure_links(mesh.axis(axis), bytes);
    const double latency = world.all_reduce_value(links.latency, Reduce::max);
    const double rate = world.all_reduce_value(links.one_way, Reduce::min);
    report.measured(std::format("{} latency", to_string(axis)), latency, "s",
                    std::format("{:.1f} us a message on the {} axis", 1e6 * latency, to_string(axis)));
    report.measured(std::format("{} bandwidth", to_string(axis)), rate, "byte/s",
                    std::format("{}/s from rank to rank on the {} axis", format_bytes(rate), to_string(axis)));
  }
  if (world.size() == 1) return;
  const double hidden = hidden_share(world, bytes);
  report.measured("overlap", hidden, "1", std::format("{:.0f} % of messages hidden behind products", 100 * hidden));
}

// The folder itself, or the nearest above it that is there: a measurement makes no run's folder.
std::string existing_folder(const std::string& directory) {
  std::error_code none;
  std::filesystem::path path = std::filesystem::weakly_canonical(std::filesystem::absolute(directory, none), none);
  while (!std::filesystem::is_directory(path, none) && path.has_relative_path()) path = path.parent_path();
  return path.string();
}

void measure_file(const EnvironmentBenchmarkConfig& config, const Comm& world, EnvironmentReport& report) {
  DiskRates rates;
  together(world, [&] {
    if (world.rank() == 0) rates = measure_disk(existing_folder(config.directory), config.file);
  });
  const std::string size = format_bytes(static_cast<double>(config.file));
  report.measured("file write", rates.write, "byte/s",
                  std::format("{}/s, {} by rank 0 and down to the device", format_bytes(rates.write), size));
  report.measured("file read", rates.read, "byte/s", std::format("{}/s, {} by rank 0", format_bytes(rates.read), size));
}

}  // namespace

void EnvironmentReport::found(const std::string& what, const std::string& text) {
  rows_.push_back({"found", what, "1", text, std::numeric_limits<double>::quiet_NaN()});
}

void EnvironmentReport::measured(const std::string& what, double value, const std::string& unit,
                                 const std::string& text) {
  rows_.push_back({"measured", what, unit, text, value});
}

void EnvironmentReport::beware(const std::string& sentence) {
  rows_.push_back({"beware", "", "1", sentence, std::numeric_limits<double>::quiet_NaN()});
}

std::string EnvironmentReport::text() const {
  std::string all;
  for (const Row& row : rows_) all += std::format("{:<9} {:<18} {}\n", row.kind, row.what, row.text);
  if (rows_.empty() || rows_.back().kind != "beware") all += "nothing looks wrong\n";
  return all;
}

ResultTable EnvironmentReport::table() const {
  ResultTable table;
  for (const Row& row : rows_) {
    table.add({{"kind", "1", row.kind},
               {"what", "1", row.what},
               {"value", "as column unit says", row.value},
               {"unit", "1", row.unit},
               {"text", "1", row.text}});
  }
  return table;
}

void bind(Options& options, EnvironmentBenchmarkConfig& config) {
  options
      .add("parallel.data", config.data,
           "Ranks that share the batch. One of the four axes may be 0: it takes the ranks that the others leave.")
      .add("parallel.tensor", config.tensor, "Ranks that share each layer.")
      .add("parallel.pipeline", config.pipeline, "Stages that share the layers.")
      .add("parallel.sequence", config.sequence, "Ranks that share each sequence.")
      .add("run.directory", config.directory, "Folder of all runs, whose file system is measured.")
      .add_bytes("bench.message", config.message, "size of the timed messages, bytes")
      .add_bytes("bench.file", config.file, "size of the file that is written and read, bytes; 0: none")
      .add("bench.output", config.output, "HDF5 file of the results; empty: none");
}

EnvironmentReport examine_environment(const EnvironmentBenchmarkConfig& config, const Comm& world) {
  if (config.message < 1024) throw UserError("bench.message = {} is too small; use 1K or more", config.message);
  const Mesh mesh(world, mesh_of(config, world.size()));
  const Environment found = find_environment(config, mesh);
  EnvironmentReport report;
  list_found(found, report);
  measure_kernels(world, report);
  measure_messages(mesh, config.message, report);
  if (config.file > 0) measure_file(config, world, report);
  for (const std::string& sentence : suspicions(found)) report.beware(sentence);
  return report;
}

}  // namespace longspan
