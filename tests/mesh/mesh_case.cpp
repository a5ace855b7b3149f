#include "mesh/mesh_case.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <format>

#include "base/hash.hpp"
#include "mixers/sequence/sequence_method.hpp"

namespace longspan::mesh_test {
namespace {

double largest_entry(const std::vector<double>& values) {
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  return largest;
}

}  // namespace

std::string make_corpus(const Comm& world) {
  const std::string path = world.broadcast_text(
      (std::filesystem::temp_directory_path() / std::format("longspan-mesh-{}.h5", getpid())).string(), 0);
  if (world.rank() == 0) {
    const TokenStoreInfo info{.tokenizer = "byte", .source = "test", .vocabulary = 257, .end_of_document = 256};
    TokenStoreWriter writer(path, info);
    std::uint64_t state = 1;
    for (int document = 0; document < 120; ++document) {
      std::vector<std::int32_t> tokens;
      const auto length = static_cast<int>(mix64(++state) % 90);
      // Letters that follow each other by a rule, so that there is something to learn.
      for (int i = 0; i < length; ++i) tokens.push_back(static_cast<std::int32_t>('a' + (i * (document % 5 + 1)) % 26));
      writer.append(tokens);
      writer.add_source_bytes(length);
      writer.end_document();
    }
    writer.finish();
  }
  world.barrier();
  return path;
}

TrainConfig small_config(const std::string& corpus) {
  TrainConfig c;
  c.run.dtype = "float64";
  c.run.seed = 5;
  c.run.steps = 10;
  c.model.layers = 4;
  c.model.width = 32;
  c.model.heads = 4;
  c.model.kv_heads = 4;
  c.model.feed_forward = 50;  // uneven over 4 ranks
  c.model.norm = "rms";
  c.model.activation = "swiglu";
  c.data.corpus = corpus;
  c.data.sequence_length = 45;  // not a multiple of 2 S for any S > 1
  c.data.batch = 8;
  c.parallel.microbatches = 2;
  c.optimizer.learning_rate = 0.01;
  c.optimizer.warmup = 2;
  return c;
}

TrainConfig with_mesh(TrainConfig config, const MeshShape& shape) {
  config.parallel.data = shape.data;
  config.parallel.tensor = shape.tensor;
  config.parallel.pipeline = shape.pipeline;
  config.parallel.sequence = shape.sequence;
  // The microbatches of a data rank shrink with the number of data ranks: one sequence each at 4 x 2.
  if (config.data.batch % (shape.data * config.parallel.microbatches) != 0) config.parallel.microbatches = 1;
  check(config);
  return config;
}

Outcome run_steps(const TrainConfig& config, const MeshShape& shape, const Comm& ranks, int steps) {
  Session session(with_mesh(config, shape), ranks);
  session.allocate(true);
  TrainingStep step(session);
  Outcome outcome;
  for (int s = 0; s < steps; ++s) {
    const StepResult result = step.run(s);
    outcome.losses.push_back(result.loss);
    outcome.norms.push_back(result.gradient_norm);
    outcome.accuracies.push_back(result.accuracy);
  }
  for (const auto& p : session.store().all()) {
    if (p->info().tied_copy) continue;
    std::vector<double>& gradient = outcome.gradients[p->info().name];
    gradient.resize(static_cast<std::size_t>(p->local_shape().size()));
    outcome.owned[p->info().name] = p->owned();
    session.store().owned_gradient(*p).copy_to_host(gradient.data() + p->owned().begin);
    outcome.runs[p->info().name] = p->runs();
    outcome.dims[p->info().name] = p->info().shard.dim;
  }
  return outcome;
}

std::vector<std::string> methods_on(const TrainConfig& config, const MeshShape& shape) {
  std::vector<std::string> methods;
  for (const std::string& name : sequence_method_names()) {
    if (name == "ulysses" && config.model.heads / shape.tensor < shape.sequence) continue;
    methods.push_back(name);
  }
  return methods;
}

std::vector<MeshShape> factorisations(int n) {
  std::vector<MeshShape> shapes;
  for (int d = 1; d <= n; ++d) {
    for (int t = 1; t <= n / d; ++t) {
      for (int p = 1; p <= n / (d * t); ++p) {
        if (n % (d * t * p) != 0) continue;
        const MeshShape shape{d, t, p, n / (d * t * p)};
        if (8 % d == 0 && 4 % t == 0 && p <= 4) shapes.push_back(shape);
      }
    }
  }
  return shapes;
}

double loss_deviation(const Outcome& mesh, const Outcome& one) {
  double worst = 0;
  for (std::size_t i = 0; i < one.losses.size(); ++i) {
    worst = std::max(worst, std::abs(mesh.losses[i] / one.losses[i] - 1));
    worst = std::max(worst, std::abs(mesh.norms[i] / one.norms[i] - 1));
  }
  return worst;
}

double gradient_deviation(const Outcome& mesh, const Outcome& one) {
  double worst = 0, anywhere = 0;
  for (const auto& [name, whole] : one.gradients) anywhere = std::max(anywhere, largest_entry(whole));
  for (const auto& [name, part] : mesh.gradients) {
    const std::vector<double>& whole = one.gradients.at(name);
    // Some gradients are zero but for rounding: the softmax does not see a bias of the keys.
    const double largest = std::max(largest_entry(whole), 1e-6 * anywhere);
    // Local element (row, column) of some rows or some columns of the whole matrix.
    const bool columns = mesh.dims.at(name) == 1;
    const std::vector<PositionRun>& runs = mesh.runs.at(name);
    const std::int64_t mine = count_entries(runs), all = count_entries(one.runs.at(name));
    const std::int64_t other = mine == 0 ? 0 : static_cast<std::int64_t>(part.size()) / mine;
    const Range& owned = mesh.owned.at(name);
    const auto compare = [&](std::int64_t local, std::int64_t global) {
      if (local < owned.begin || local >= owned.end) return;
      const double difference = part[static_cast<std::size_t>(local)] - whole[static_cast<std::size_t>(global)];
      worst = std::max(worst, std::abs(difference) / largest);
    };
    for (const PositionRun& run : runs) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        const std::int64_t local = run.row + i, global = run.position(i);
        for (std::int64_t j = 0; j < other; ++j) {
          columns ? compare(j * mine + local, j * all + global) : compare(local * other + j, global * other + j);
        }
      }
    }
  }
  return worst;
}

}  // namespace longspan::mesh_test
