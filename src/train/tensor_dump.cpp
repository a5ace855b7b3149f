#include "train/tensor_dump.hpp"

#include "base/error.hpp"
#include "checkpoint/safetensors.hpp"
#include "train/training_step.hpp"

namespace longspan {
namespace {

std::vector<std::int64_t> dims_of(const Shape& shape) {
  std::vector<std::int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

}  // namespace

void write_tensors(const std::string& path, const NamedTensors& tensors) {
  std::vector<SafetensorsWriter::Entry> entries;
  for (const auto& [name, tensor] : tensors) entries.push_back({name, dims_of(tensor.shape()), tensor.dtype()});
  SafetensorsWriter writer(path, entries, {});
  for (const auto& [name, tensor] : tensors) {
    std::vector<std::byte> values(tensor.bytes());
    tensor.copy_to_host(values.data());
    writer.append(values);
  }
  writer.finish();
}

void write_first_step(Session& session, const std::string& path) {
  const ParallelConfig& parallel = session.config().parallel;
  if (session.mesh().world().size() != 1 || parallel.microbatches != 1) {
    throw UserError(
        "bench.tensors holds those of one rank and one microbatch; start one rank and set "
        "parallel.microbatches = 1");
  }
  const StepResult step = TrainingStep(session).gradients(0);
  const Microbatch batch = session.loader().training(0, 0);
  NamedTensors tensors = {{"tokens", batch.tokens},
                          {"targets", batch.targets},
                          {"loss", Tensor::from_host(std::vector<double>{step.loss}, {1})}};
  for (const auto& parameter : session.store().all()) {
    tensors.emplace_back(parameter->info().name, parameter->value());
    tensors.emplace_back("d" + parameter->info().name, parameter->gradient());
  }
  write_tensors(path, tensors);
}

}  // namespace longspan
