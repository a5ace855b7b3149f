#include <algorithm>
#include <format>
#include <sstream>
#include <string_view>

#include "checkpoint/catalogue.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/state_attributes.hpp"
#include "comm/together.hpp"
#include "data/footer.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr const char* kMaster = "optimizer/master";

// `guarded`: whether the footer was found right before, by verify_checkpoint.
Handle open_checkpoint(const std::string& path, bool guarded) {
  Handle file = guarded ? hdf5::open_file(path, "checkpoint") : open_guarded(path, "checkpoint");
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

constexpr const char* kUseStored = "use the configuration stored in the checkpoint";

void check_shape(const Handle& file, const std::string& group, const CatalogueEntry& entry, const std::string& path,
                 const char* mend = kUseStored) {
  const std::string name = group + "/" + entry.name;
  if (!hdf5::has_link(file, group) || !hdf5::has_link(file, name)) {
    throw UserError("{} holds another model: it lacks /{}, which this configuration needs; {}", path, name, mend);
  }
  Shape stored;
  for (const std::int64_t n : stored_dims(hdf5::open_dataset(file, name, path))) stored.push_back(n);
  if (stored == entry.shape) return;
  throw UserError("{} holds another model: {} is {}, this configuration wants {}; {}", path, entry.name, stored.str(),
                  entry.shape.str(), mend);
}

// Where parameters are read from: master weights where there are any.
std::string weights_group(const Handle& file) {
  return hdf5::has_link(file, "optimizer") && hdf5::has_link(file, kMaster) ? kMaster : "model";
}

void check_model(const Handle& file, const std::vector<CatalogueEntry>& entries, const Optimizer* optimizer,
                 const std::string& path) {
  for (const auto& entry : entries) {
    check_shape(file, "model", entry, path);
    check_shape(file, weights_group(file), entry, path);
  }
  for (const auto& dataset : list_datasets(file, path)) {
    const bool known = !dataset.name.starts_with("/model/") ||
                       std::ranges::any_of(entries, [&](const auto& e) { return dataset.name == "/model/" + e.name; });
    if (!known) {
      throw UserError("{} holds another model: it has {}, which this configuration lacks; {}", path, dataset.name,
                      kUseStored);
    }
  }
  if (optimizer == nullptr) return;
  for (const auto& state : optimizer->states()) {
    if (state.name == "master") continue;
    for (const auto& entry : entries) check_shape(file, "optimizer/" + state.name, entry, path);
  }
}

// What this rank adds to the checksums of all datasets.
std::vector<std::int64_t> partial_sums(const Handle& file, const std::vector<DatasetInfo>& datasets, const Comm& comm,
                                       const std::string& path) {
  std::vector<std::int64_t> sums;
  for (const DatasetInfo& info : datasets) {
    const Handle dataset = hdf5::open_dataset(file, info.name, path);
    const Range rows = split(rows_of(dataset), comm.size(), comm.rank());
    sums.push_back(static_cast<std::int64_t>(sum_of_rows(dataset, rows, path)));
  }
  return sums;
}

void compare_sums(const Handle& file, const std::vector<DatasetInfo>& datasets, const std::vector<std::int64_t>& sums,
                  const std::string& path) {
  std::vector<std::string> damaged;
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    const Handle dataset = hdf5::open_dataset(file, datasets[i].name, path);
    if (hdf5::read_text(dataset, "checksum", path) != checksum_text(static_cast<std::uint64_t>(sums[i]))) {
      damaged.push_back(datasets[i].name);
    }
  }
  if (damaged.empty()) return;
  const std::string more = damaged.size() > 1 ? std::format(" and {} more", damaged.size() - 1) : "";
  throw UserError("the checkpoint {} is damaged: the checksum of {}{} is wrong; use another one", path, damaged.front(),
                  more);
}

// Elements of this rank's part of a dataset into `to`.
void read_into(const Handle& file, const std::string& name, const Parameter& p, const Range& elements, const Tensor& to,
               const std::string& path) {
  if (elements.size() == 0) return;
  const Handle dataset = hdf5::open_dataset(file, name, path);
  const int dim = std::max(0, p.info().shard.dim);
  auto values = read_part(dataset, dim, p.runs(), path);
  values = convert(std::move(values), stored_dtype(dataset, path), to.dtype());
  to.copy_from_host(values.data() + static_cast<std::size_t>(elements.begin) * size_of(to.dtype()));
}

// The owned elements of a parameter into one of the optimizer's arrays.
void read_state(const Handle& file, const std::string& name, const Parameter& p, const Optimizer::State& state,
                const std::string& path) {
  read_into(file, name, p, p.owned(), ParameterStore::owned_of(p, state.flat), path);
}

// One parameter with, where the optimizer keeps any, its master weights.
void read_weights(const Handle& file, const ParameterStore& store, const Parameter& p, const Optimizer* optimizer,
                  const std::string& path) {
  const std::string name = weights_group(file) + "/" + p.info().name;
  if (shards_values(store.zero())) {
    read_into(file, name, p, p.owned(), store.owned_values(p), path);
  } else {
    read_into(file, name, p, {0, p.local_shape().size()}, p.value(), path);
  }
  if (optimizer == nullptr) return;
  for (const auto& state : optimizer->states()) {
    if (state.name == "master") read_state(file, name, p, state, path);
  }
}

void read_parts(const Handle& file, const ParameterStore& store, const Optimizer* optimizer, const std::string& path) {
  for (const auto& p : store.all()) {
    read_weights(file, store, *p, optimizer, path);
    if (optimizer == nullptr) continue;
    for (const auto& state : optimizer->states()) {
      if (state.name != "master") read_state(file, "optimizer/" + state.name + "/" + p->info().name, *p, state, path);
    }
  }
}

// Whether a name is of the form of a pattern.
bool fits(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') return fits(name, pattern.substr(1)) || (!name.empty() && fits(name.substr(1), pattern));
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) && fits(name.substr(1), pattern.substr(1));
}

std::vector<std::string> at_commas(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

bool fits_any(const std::string& name, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return fits(name, pattern); });
}

// The entries that the patterns choose, all of which the file must hold in the same shape.
std::int64_t check_chosen(const Handle& file, const std::vector<CatalogueEntry>& entries,
                          const std::vector<std::string>& patterns, const std::string& path) {
  for (const std::string& pattern : patterns) {
    if (std::ranges::any_of(entries, [&](const auto& entry) { return fits(entry.name, pattern); })) continue;
    throw UserError("checkpoint.load_only: no parameter of this model is called '{}'; the first is {}", pattern,
                    entries.front().name);
  }
  std::int64_t chosen = 0;
  for (const auto& entry : entries) {
    if (!fits_any(entry.name, patterns)) continue;
    check_shape(file, weights_group(file), entry, path, "change [model], or leave it out with checkpoint.load_only");
    ++chosen;
  }
  return chosen;
}

}  // namespace

std::vector<std::string> damaged_datasets(hid_t file, const std::string& path) {
  std::vector<std::string> damaged;
  for (const auto& dataset : list_datasets(file, path)) {
    if (!checksum_holds(hdf5::open_dataset(file, dataset.name, path), path)) damaged.push_back(dataset.name);
  }
  return damaged;
}

CheckpointInfo read_checkpoint_info(const std::string& path) {
  const Handle file = open_checkpoint(path, false);
  return {state_of(file, path), reading<Error>(path, [&] { return list_datasets(file, path); })};
}

void verify_checkpoint(const std::string& path, const Comm& comm) {
  together(comm, [&] {
    if (comm.rank() == 0) read_checkpoint_info(path);
  });
  Handle file;
  std::vector<DatasetInfo> datasets;
  std::vector<std::int64_t> sums;
  together(comm, [&] {
    file = open_checkpoint(path, true);
    reading<EnvironmentError>(path, [&] {
      datasets = list_datasets(file, path);
      sums = partial_sums(file, datasets, comm, path);
    });
  });
  const Tensor all = Tensor::from_host(sums, {static_cast<std::int64_t>(sums.size())}, Memory::communication,
                                       "checksums of a checkpoint");
  comm.all_reduce(all);
  sums = all.to_host<std::int64_t>();
  together(comm, [&] {
    if (comm.rank() == 0) reading<EnvironmentError>(path, [&] { compare_sums(file, datasets, sums, path); });
  });
}

TrainState load_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store, Optimizer* optimizer,
                           bool verified) {
  const auto entries = catalogue(mesh, store);
  if (!verified) verify_checkpoint(path, mesh.world());
  TrainState state;
  Handle file;
  together(mesh.world(), [&] {
    file = open_checkpoint(path, true);
    state = state_of(file, path);
    if (mesh.world().rank() == 0) {
      reading<EnvironmentError>(path, [&] { check_model(file, entries, optimizer, path); });
    }
  });
  together(mesh.world(), [&] {
    reading<EnvironmentError>(path, [&] {
      read_parts(file, store, optimizer, path);
      if (optimizer == nullptr) return;
      const Handle group = hdf5::check(H5Gopen2(file, "optimizer", H5P_DEFAULT), H5Gclose, "open /optimizer of", path);
      optimizer->set_steps_done(hdf5::read_integer(group, "steps", path));
    });
  });
  return state;
}

std::int64_t load_parameters(const std::string& path, const std::string& patterns, const Mesh& mesh,
                             const ParameterStore& store, Optimizer* optimizer) {
  const auto entries = catalogue(mesh, store);
  const auto words = at_commas(patterns);
  verify_checkpoint(path, mesh.world());
  std::int64_t chosen = 0;
  Handle file;
  together(mesh.world(), [&] {
    file = open_checkpoint(path, true);
    reading<EnvironmentError>(path, [&] { chosen = check_chosen(file, entries, words, path); });
  });
  together(mesh.world(), [&] {
    reading<EnvironmentError>(path, [&] {
      for (const auto& p : store.all()) {
        if (fits_any(p->info().name, words)) read_weights(file, store, *p, optimizer, path);
      }
    });
  });
  return chosen;
}

}  // namespace longspan
