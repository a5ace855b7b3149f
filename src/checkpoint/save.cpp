#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>

#include "checkpoint/catalogue.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/state_attributes.hpp"
#include "comm/together.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

std::filesystem::path folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

// Forces a file or folder to the disk.
void sync(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), O_RDONLY | flags);
  const bool done = file >= 0 && ::fsync(file) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (!done) throw EnvironmentError("cannot bring {} to the disk: {}", path, std::strerror(error));
}

void check_room(const std::string& path, std::int64_t bytes) {
  const auto folder = folder_of(path);
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw EnvironmentError("cannot write {}: there is no folder {}", path, folder.string());
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    throw EnvironmentError("cannot write {}: {}", path, std::strerror(errno));
  }
  const auto space = std::filesystem::space(folder, error);
  if (!error && space.available < static_cast<std::uintmax_t>(bytes)) {
    throw EnvironmentError("there is no space for {}: it needs {}, {} are free; free some or write elsewhere", path,
                           format_bytes(static_cast<double>(bytes)),
                           format_bytes(static_cast<double>(space.available)));
  }
}

// Without times of creation: the same state makes the same file.
Handle timeless(hid_t property_class) {
  Handle properties(H5Pcreate(property_class), H5Pclose);
  H5Pset_obj_track_times(properties, false);
  return properties;
}

// A checkpoint that is being written, under a temporary name that goes away unless finish() is reached.
class Writer {
 public:
  explicit Writer(const std::string& path) : path_(path), temporary_(path + ".tmp") {}
  ~Writer() {
    file_ = Handle();
    if (!finished_) std::remove(temporary_.c_str());
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void start(const TrainState& state, std::int64_t optimizer_steps) {
    const Handle access = hdf5::file_access();
    file_ = hdf5::check(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, timeless(H5P_FILE_CREATE), access), H5Fclose,
                        "create", temporary_);
    hdf5::write_integer(file_, "format_version", kCheckpointVersion, temporary_);
    hdf5::write_integer(make_group("optimizer"), "steps", optimizer_steps, temporary_);
    write_state(make_group("state"), state, temporary_);
  }

  Handle make_group(const std::string& name) {
    return hdf5::check(H5Gcreate2(file_, name.c_str(), H5P_DEFAULT, timeless(H5P_GROUP_CREATE), H5P_DEFAULT), H5Gclose,
                       "write", temporary_);
  }

  void write(const std::string& group, const CatalogueEntry& entry, Dtype dtype, const std::vector<std::byte>& data) {
    Handle dataset = write_tensor(file_, group + "/" + entry.name, entry.shape, dtype, data.data(), temporary_);
    hdf5::write_text(dataset, "shard_axis", to_string(entry.shard.axis), temporary_);
    hdf5::write_integer(dataset, "shard_dim", entry.shard.dim, temporary_);
    hdf5::write_integer(dataset, "shard_granule", entry.shard.granule, temporary_);
    dataset.close(temporary_);
  }

  void finish() {
    hdf5::check(H5Fflush(file_, H5F_SCOPE_GLOBAL), "write", temporary_);
    file_.close(temporary_);
    sync(temporary_, 0);
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
      throw EnvironmentError("cannot rename {} to {}: {}", temporary_, path_, std::strerror(errno));
    }
    finished_ = true;
    sync(folder_of(path_), O_DIRECTORY);
  }

 private:
  std::string path_, temporary_;
  Handle file_;
  bool finished_ = false;
};

// The arrays of a checkpoint: /model and /optimizer/<state>.
std::vector<Optimizer::State> arrays(const ParameterStore& store, const Optimizer& optimizer) {
  std::vector<Optimizer::State> all = {{"model", store.values()}};
  for (const auto& state : optimizer.states()) all.push_back({"optimizer/" + state.name, state.flat});
  return all;
}

std::int64_t total_bytes(const std::vector<CatalogueEntry>& entries, const std::vector<Optimizer::State>& arrays) {
  std::int64_t elements = 0, bytes = 0;
  for (const auto& entry : entries) elements += entry.shape.size();
  for (const auto& array : arrays) bytes += elements * static_cast<std::int64_t>(size_of(array.flat.dtype()));
  return bytes;
}

}  // namespace

void save_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store, const Optimizer& optimizer,
                     const TrainState& state) {
  const auto entries = catalogue(mesh, store);
  const auto all = arrays(store, optimizer);
  std::optional<Writer> writer;
  Outcome outcome;
  // Only the writer attempts anything.
  const auto attempt = [&](const std::function<void()>& body) {
    if (mesh.at() == MeshCoordinate{}) outcome.attempt(body);
  };
  attempt([&] {
    check_room(path, total_bytes(entries, all));
    writer.emplace(path).start(state, optimizer.steps_done());
  });
  if (outcome.failed()) writer.reset();
  outcome.settle(mesh.world());

  // The others send all their parts even where the file fails in between: nobody waits for a rank that has left.
  if (mesh.at().data == 0) {
    for (const auto& [name, flat] : all) {
      attempt([&] { writer->make_group(name); });
      for (const auto& entry : entries) {
        const auto logical = gather(mesh, store, entry, flat);
        attempt([&] { writer->write(name, entry, flat.dtype(), logical); });
      }
    }
  }
  attempt([&] { writer->finish(); });
  writer.reset();
  outcome.settle(mesh.world());
}

}  // namespace longspan
