#include "train/checkpoint_benchmark.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <format>
#include <functional>
#include <vector>

#include "base/place_file.hpp"
#include "base/timer.hpp"
#include "comm/together.hpp"
#include "train/session.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kPiece = 16 << 20;  // bytes of a plain write or read

// A descriptor that closes itself.
struct Descriptor {
  int number;
  Descriptor(const std::string& path, int flags) : number(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (number < 0) fail_writing(path, errno);
  }
  ~Descriptor() { ::close(number); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

void write_plain(const std::string& path, std::int64_t bytes) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  std::vector<char> piece(static_cast<std::size_t>(std::min(kPiece, bytes)), 'x');
  for (std::int64_t done = 0; done < bytes;) {
    const auto next = static_cast<std::size_t>(std::min(kPiece, bytes - done));
    const ssize_t count = ::write(file.number, piece.data(), next);
    if (count < 0) fail_writing(path, errno);
    done += count;
  }
  if (::fsync(file.number) != 0) fail_writing(path, errno);
}

void read_plain(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  std::vector<char> piece(kPiece);
  while (::read(file.number, piece.data(), piece.size()) > 0) {
  }
}

void leave_page_cache(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  ::posix_fadvise(file.number, 0, 0, POSIX_FADV_DONTNEED);
}

// Files that go away with the object.
struct ScratchFiles {
  std::vector<std::string> paths;
  ~ScratchFiles() {
    for (const auto& path : paths) std::remove(path.c_str());
  }
};

class Benchmark {
 public:
  Benchmark(const Comm& world, std::int64_t repeats) : world_(world), repeats_(repeats) {}

  // The slowest rank's seconds of the fastest repetition of `body`, each behind `prepare`.
  double seconds(const std::function<void()>& prepare, const std::function<void()>& body) const {
    double best = 0;
    for (std::int64_t i = 0; i < repeats_; ++i) {
      prepare();
      world_.barrier();
      const Timer timer;
      body();
      const double slowest = world_.all_reduce_value(timer.seconds(), Reduce::max);
      best = i == 0 ? slowest : std::min(best, slowest);
    }
    return best;
  }

  void add(const std::string& what, double seconds, double plain) {
    table.add({{"operation", "1", what},
               {"bytes", "byte", bytes},
               {"seconds", "s", seconds},
               {"bandwidth", "byte/s", static_cast<double>(bytes) / seconds},
               {"ratio", "1", plain / seconds}});
  }

  ResultTable table;
  std::int64_t bytes = 0;

 private:
  const Comm& world_;
  std::int64_t repeats_;
};

}  // namespace

void bind(Options& options, CheckpointBenchmarkConfig& config) {
  options.add("bench.folder", config.folder, "Folder for the files, on the disk that is measured.")
      .add("bench.vocabulary", config.vocabulary, "Tokens of the model's vocabulary.")
      .add("bench.repeats", config.repeats, "Repetitions of each operation, of which the fastest counts.")
      .add("bench.output", config.output, "File for the results (HDF5), for analysis/longspan-plot; empty: none.");
}

ResultTable benchmark_checkpoint(const TrainConfig& given, const CheckpointBenchmarkConfig& bench, const Comm& world) {
  if (bench.repeats < 1) throw UserError("bench.repeats = {} is too small; use 1 or more", bench.repeats);
  if (bench.vocabulary < 1) throw UserError("bench.vocabulary = {} is too small; use 1 or more", bench.vocabulary);
  TrainConfig config = given;
  const std::int64_t tokens = 100 * config.data.sequence_length;
  Session session(config, world, std::make_shared<const TokenStore>(TokenStore::blank(bench.vocabulary, tokens)));
  session.allocate(true);
  const Mesh& mesh = session.mesh();
  const std::string path = bench.folder + "/longspan-bench-checkpoint.h5";
  const std::string plain = std::format("{}/longspan-bench-plain.{}", bench.folder, world.rank());
  ScratchFiles scratch{{plain}};
  if (world.rank() == 0) scratch.paths.push_back(path);

  Benchmark benchmark(world, bench.repeats);
  SaveReport report;
  double stalled = 0;
  const auto save = [&](bool background) {
    CheckpointSave saving(path, mesh, session.store(), &session.optimizer(), {.tokenizer = "none"}, background);
    const Timer timer;
    report = saving.finish();
    return report.stalled - timer.seconds();
  };
  const auto nothing = [] {};
  const double saved = benchmark.seconds(nothing, [&] { save(false); });
  benchmark.bytes = report.bytes;
  const double in_background = benchmark.seconds(nothing, [&] { stalled = save(true); });
  const auto share = split(report.bytes, world.size(), world.rank());
  const double written =
      benchmark.seconds(nothing, [&] { together(world, [&] { write_plain(plain, share.size()); }); });
  const double read =
      benchmark.seconds([&] { leave_page_cache(plain); }, [&] { together(world, [&] { read_plain(plain); }); });
  const auto cold = [&] { together(world, [&] { leave_page_cache(path); }); };
  const double verified = benchmark.seconds(cold, [&] { verify_checkpoint(path, world); });
  const double loaded =
      benchmark.seconds(cold, [&] { load_checkpoint(path, mesh, session.store(), &session.optimizer(), true); });

  benchmark.add("plain files, written", written, written);
  benchmark.add("plain files, read", read, read);
  benchmark.add("save", saved, written);
  benchmark.add("save in background", in_background, written);
  benchmark.add("of it waited for", std::max(1e-9, world.all_reduce_value(stalled, Reduce::max)), written);
  benchmark.add("verify", verified, read);
  benchmark.add("load", loaded, read);
  return benchmark.table;
}

}  // namespace longspan
