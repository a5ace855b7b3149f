#include <algorithm>
#include <format>

#include "checkpoint/catalogue.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/state_attributes.hpp"
#include "comm/together.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr const char* kMaster = "optimizer/master";

Handle open_checkpoint(const std::string& path) {
  Handle file = hdf5::open_file(path, "checkpoint");
  if (!hdf5::has_link(file, "model") || !hdf5::has_link(file, "state") ||
      !hdf5::has_attribute(file, "format_version")) {
    throw UserError("{} is no checkpoint: it is an HDF5 file without /model, /state and a format version", path);
  }
  const std::int64_t version = hdf5::read_integer(file, "format_version", path);
  if (version != kCheckpointVersion) {
    throw UserError(
        "the checkpoint {} has format version {}, but this program reads version {}; use the release that "
        "saved it",
        path, version, kCheckpointVersion);
  }
  return file;
}

// What cannot be read in a file of the right kind and version is damaged.
template <class Thrown, class Body>
auto reading(const std::string& path, const Body& body) {
  try {
    return body();
  } catch (const Thrown& error) {
    throw UserError("the checkpoint {} is damaged ({}); use another one", path, error.what());
  }
}

TrainState state_of(const Handle& file, const std::string& path) {
  return reading<Error>(path, [&] {
    const Handle group = hdf5::check(H5Gopen2(file, "state", H5P_DEFAULT), H5Gclose, "open /state of", path);
    return read_state(group, path);
  });
}

void check_shape(const Handle& file, const std::string& group, const CatalogueEntry& entry, const std::string& path) {
  const std::string name = group + "/" + entry.name;
  if (!hdf5::has_link(file, group) || !hdf5::has_link(file, name)) {
    throw UserError(
        "{} holds another model: it lacks /{}, which this configuration needs; use the configuration stored "
        "in the checkpoint",
        path, name);
  }
  Shape stored;
  for (const std::int64_t n : stored_dims(hdf5::open_dataset(file, name, path))) stored.push_back(n);
  if (stored == entry.shape) return;
  throw UserError(
      "{} holds another model: {} is {}, this configuration wants {}; use the configuration stored in the "
      "checkpoint",
      path, entry.name, stored.str(), entry.shape.str());
}

void check_model(const Handle& file, const std::vector<CatalogueEntry>& entries, const Optimizer* optimizer,
                 const std::string& path) {
  for (const auto& entry : entries) check_shape(file, "model", entry, path);
  for (const auto& dataset : list_datasets(file, path)) {
    const bool known = !dataset.name.starts_with("/model/") ||
                       std::ranges::any_of(entries, [&](const auto& e) { return dataset.name == "/model/" + e.name; });
    if (!known) {
      throw UserError(
          "{} holds another model: it has {}, which this configuration lacks; use the configuration stored "
          "in the checkpoint",
          path, dataset.name);
    }
  }
  if (optimizer == nullptr) return;
  for (const auto& state : optimizer->states()) {
    if (state.name == "master") continue;
    for (const auto& entry : entries) check_shape(file, "optimizer/" + state.name, entry, path);
  }
}

void check_undamaged(const Handle& file, const std::string& path) {
  const auto damaged = damaged_datasets(file, path);
  if (damaged.empty()) return;
  const std::string more = damaged.size() > 1 ? std::format(" and {} more", damaged.size() - 1) : "";
  throw UserError("the checkpoint {} is damaged: the checksum of {}{} is wrong; use another one", path, damaged.front(),
                  more);
}

// This rank's part of a dataset into `part`.
void read_into(const Handle& file, const std::string& name, const Parameter& p, const Tensor& part,
               const std::string& path) {
  const Handle dataset = hdf5::open_dataset(file, name, path);
  const int dim = std::max(0, p.info().shard.dim);
  auto values = read_part(dataset, dim, p.runs(), path);
  values = convert(std::move(values), stored_dtype(dataset, path), part.dtype());
  part.copy_from_host(values.data());
}

void read_parts(const Handle& file, const ParameterStore& store, const Optimizer* optimizer, const std::string& path) {
  const std::string weights = hdf5::has_link(file, "optimizer") && hdf5::has_link(file, kMaster) ? kMaster : "model";
  for (const auto& p : store.all()) {
    const std::string& name = p->info().name;
    if (p->local_shape().size() == 0) continue;
    read_into(file, weights + "/" + name, *p, p->value(), path);
    if (optimizer == nullptr) continue;
    for (const auto& state : optimizer->states()) {
      const std::string group = state.name == "master" ? weights : "optimizer/" + state.name;
      read_into(file, group + "/" + name, *p, state.flat.slice(p->offset(), p->local_shape().size()), path);
    }
  }
}

}  // namespace

std::vector<std::string> damaged_datasets(hid_t file, const std::string& path) {
  std::vector<std::string> damaged;
  for (const auto& dataset : list_datasets(file, path)) {
    const Handle opened = hdf5::open_dataset(file, dataset.name, path);
    if (!checksum_holds(opened, path).value_or(true)) damaged.push_back(dataset.name);
  }
  return damaged;
}

CheckpointInfo read_checkpoint_info(const std::string& path) {
  const Handle file = open_checkpoint(path);
  return {state_of(file, path), reading<Error>(path, [&] { return list_datasets(file, path); })};
}

TrainState load_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store,
                           Optimizer* optimizer) {
  const auto entries = catalogue(mesh, store);
  Outcome checked;
  if (mesh.at() == MeshCoordinate{}) {
    checked.attempt([&] {
      const Handle file = open_checkpoint(path);
      state_of(file, path);
      reading<EnvironmentError>(path, [&] {
        check_model(file, entries, optimizer, path);
        check_undamaged(file, path);
      });
    });
  }
  checked.settle(mesh.world());

  TrainState state;
  together(mesh.world(), [&] {
    const Handle file = open_checkpoint(path);
    state = state_of(file, path);
    reading<EnvironmentError>(path, [&] {
      read_parts(file, store, optimizer, path);
      if (optimizer == nullptr) return;
      const Handle group = hdf5::check(H5Gopen2(file, "optimizer", H5P_DEFAULT), H5Gclose, "open /optimizer of", path);
      optimizer->set_steps_done(hdf5::read_integer(group, "steps", path));
    });
  });
  return state;
}

}  // namespace longspan
