#include "checkpoint/save.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <thread>

#include "base/place_file.hpp"
#include "base/timer.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/header.hpp"
#include "comm/together.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

void check_room(const std::string& path, std::int64_t bytes) {
  const std::string folder = folder_of(path);
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw EnvironmentError("cannot write {}: there is no folder {}", path, folder);
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

// A file that exists, for writing at any place.
class RawFile {
 public:
  explicit RawFile(const std::string& path) : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CLOEXEC)) {
    if (file_ < 0) fail_writing(path_, errno);
  }
  ~RawFile() { ::close(file_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  void write(const std::byte* data, std::size_t bytes, std::int64_t at) {
    while (bytes > 0) {
      const ssize_t done = ::pwrite(file_, data, bytes, at);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail_writing(path_, errno);
      data += done;
      at += done;
      bytes -= static_cast<std::size_t>(done);
    }
  }
  void sync() {
    if (::fsync(file_) != 0) fail_writing(path_, errno);
  }

 private:
  std::string path_;
  int file_;
};

void write_parts(const std::string& path, const std::vector<OwnPart>& parts, const std::vector<std::int64_t>& begins) {
  RawFile file(path);
  for (const OwnPart& own : parts) {
    const auto size = static_cast<std::int64_t>(own.element_bytes);
    for_each_run(own.part, own.elements, [&](const ElementRun& run) {
      file.write(own.data + (run.local - own.elements.begin) * size, static_cast<std::size_t>(run.count * size),
                 begins[own.dataset] + run.logical * size);
    });
  }
  file.sync();
}

// A copy of elements in host memory: of the pool where tensors are in it themselves, so that it counts.
class Snapshot {
 public:
  // Nothing where there is no room for it.
  static std::optional<Snapshot> make(std::size_t bytes) {
    Snapshot snapshot;
    try {
      if (device::host_accessible()) {
        snapshot.pooled_ = Tensor::empty({static_cast<std::int64_t>(bytes / 8)}, Dtype::int64, Memory::workspace,
                                         "snapshot for a checkpoint");
      } else {
        snapshot.plain_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
      }
    } catch (const EnvironmentError&) {
      return std::nullopt;
    } catch (const std::bad_alloc&) {
      return std::nullopt;
    }
    return snapshot;
  }
  bool in_pool() const { return pooled_.defined(); }
  std::byte* data() const { return plain_ ? plain_.get() : static_cast<std::byte*>(pooled_.raw()); }

 private:
  Tensor pooled_;
  std::unique_ptr<std::byte[]> plain_;
};

// The same parts in a copy of their elements; nothing where there is no room for it.
std::optional<Snapshot> copy_parts(std::vector<OwnPart>& parts) {
  std::size_t bytes = 0;
  for (const OwnPart& own : parts) bytes += own.copied_bytes();
  std::optional<Snapshot> copy = Snapshot::make(bytes);
  if (!copy) return copy;
  std::byte* to = copy->data();
  for (OwnPart& own : parts) {
    device::copy_to_host(to, own.data, own.bytes());
    own.data = to;
    to += own.copied_bytes();
  }
  return copy;
}

void add_sums(const std::vector<OwnPart>& parts, std::vector<std::int64_t>& sums) {
  for (const OwnPart& own : parts) {
    std::uint64_t sum = 0;
    for_each_run(own.part, own.elements, [&](const ElementRun& run) {
      const std::byte* data =
          own.data + (run.local - own.elements.begin) * static_cast<std::int64_t>(own.element_bytes);
      sum += sum_of_elements(data, own.element_bytes, run.logical, run.count);
    });
    sums[own.dataset] = static_cast<std::int64_t>(static_cast<std::uint64_t>(sums[own.dataset]) + sum);
  }
}

Tensor on_device(const std::vector<std::int64_t>& values) {
  return Tensor::from_host(values, {static_cast<std::int64_t>(values.size())}, Memory::communication,
                           "checkpoint's table");
}

}  // namespace

struct CheckpointSave::Work {
  Comm world;
  std::string path, temporary;
  CheckpointContent content;
  std::vector<OwnPart> parts;
  std::optional<Snapshot> snapshot;
  std::vector<std::int64_t> begins;  // of the datasets in the file
  SaveReport report;
  Outcome outcome;  // of this rank's writing
  std::atomic<bool> written = false;
  std::thread thread;
  bool made = false;  // this rank has made the temporary file, and must remove it

  void make_file() {
    check_room(path, content.bytes());
    made = true;
    begins = write_header(temporary, content);
  }
  void write() {
    const Timer timer;
    outcome.attempt([&] { write_parts(temporary, parts, begins); });
    report.written = timer.seconds();
    written = true;
  }
  // Goes on beside the caller, who may need the copy's memory before the end.
  void write_in_background() {
    thread = std::thread([this] { write(); });
    if (!snapshot->in_pool()) return;
    MemoryPool::instance().set_spare([this] {
      const Timer timer;
      drop_copy();
      report.had_room = false;
      report.stalled += timer.seconds();
    });
  }
  void join() {
    if (thread.joinable()) thread.join();
  }
  void drop_copy() {
    join();
    snapshot.reset();
  }
  ~Work() {
    MemoryPool::instance().set_spare(nullptr);
    join();
    if (made) std::remove(temporary.c_str());
  }
};

CheckpointSave::CheckpointSave(const std::string& path, const Mesh& mesh, const ParameterStore& store,
                               const Optimizer* optimizer, const TrainState& state, bool background)
    : work_(new Work{.world = mesh.world(), .path = path, .temporary = path + ".tmp"}) {
  const Timer timer;
  Work& work = *work_;
  CheckpointContent& content = work.content;
  content = {.entries = catalogue(mesh, store), .arrays = checkpoint_arrays(store, optimizer), .state = state};
  if (optimizer != nullptr) content.optimizer_steps = optimizer->steps_done();
  device::fence();
  work.parts = own_parts(store, content.entries, content.arrays);
  // Files are written from host memory.
  const bool must_copy = !device::host_accessible();
  if (background || must_copy) {
    std::vector<OwnPart> copied = work.parts;
    work.snapshot = copy_parts(copied);
    work.report.had_room = work.world.all_reduce_value(std::int64_t{work.snapshot ? 1 : 0}, Reduce::min) != 0;
    if (must_copy && !work.report.had_room) {
      throw EnvironmentError("no host memory for a copy of what a checkpoint holds; run fewer ranks a node");
    }
    if (work.report.had_room) work.parts = std::move(copied);
    if (!work.report.had_room) work.snapshot.reset();
  }
  content.sums.assign(content.arrays.size() * content.entries.size(), 0);
  add_sums(work.parts, content.sums);
  const Tensor sums = on_device(content.sums);
  work.world.all_reduce(sums);
  content.sums = sums.to_host<std::int64_t>();
  work.begins.resize(content.sums.size());
  together(work.world, [&] {
    if (work.world.rank() == 0) work.make_file();
  });
  const Tensor begins = on_device(work.begins);
  work.world.broadcast(begins, 0);
  work.begins = begins.to_host<std::int64_t>();
  if (background && work.report.had_room) {
    work.write_in_background();
  } else {
    work.write();
  }
  work.report.stalled = timer.seconds();
}

CheckpointSave::~CheckpointSave() = default;

const std::string& CheckpointSave::path() const { return work_->path; }

bool CheckpointSave::written() const { return work_->written; }

SaveReport CheckpointSave::finish() {
  const Timer timer;
  Work& work = *work_;
  work.drop_copy();
  work.outcome.settle(work.world);
  together(work.world, [&] {
    if (work.world.rank() != 0) return;
    place_file(work.temporary, work.path);
    work.made = false;
  });
  SaveReport report = work.report;
  report.bytes = work.content.bytes();
  report.stalled = work.world.all_reduce_value(report.stalled + timer.seconds(), Reduce::max);
  report.written = work.world.all_reduce_value(report.written, Reduce::max);
  report.had_room = work.world.all_reduce_value(std::int64_t{report.had_room ? 1 : 0}, Reduce::min) != 0;
  return report;
}

void save_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store, const Optimizer& optimizer,
                     const TrainState& state) {
  CheckpointSave(path, mesh, store, &optimizer, state, false).finish();
}

}  // namespace longspan
