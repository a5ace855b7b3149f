#include "train/step_account.hpp"

#include <algorithm>
#include <set>

#include "checkpoint/own_parts.hpp"
#include "tensor/shape_only.hpp"
#include "train/session.hpp"
#include "train/training_step.hpp"

namespace longspan {
namespace {

// Counts of the step alone: what the process has counted so far comes back at the end.
class OwnCounters {
 public:
  OwnCounters() : before_(std::exchange(CommCounters::instance(), {})) {}
  ~OwnCounters() { CommCounters::instance() = std::move(before_); }
  OwnCounters(const OwnCounters&) = delete;
  OwnCounters& operator=(const OwnCounters&) = delete;

 private:
  CommCounters before_;
};

// Windows for training and for validation. A task needs none.
std::shared_ptr<const TokenStore> blank_corpus(const DataConfig& data, std::int64_t vocabulary) {
  if (data.task != "none") return nullptr;
  return std::make_shared<const TokenStore>(TokenStore::blank(vocabulary, 2 * data.sequence_length + 1));
}

std::size_t largest_snapshot(Session& session) {
  const MeshShape& mesh = session.mesh().shape();
  const auto arrays = checkpoint_arrays(session.store(), &session.optimizer());
  std::size_t most = 0;
  for (int rank = 0; rank < mesh.size(); ++rank) {
    const MeshCoordinate at = coordinate_of(mesh, rank);
    if (at.pipeline == session.mesh().at().pipeline) most = std::max(most, snapshot_bytes(session.store(), arrays, at));
  }
  return most;
}

// Places on the sequence axis whose steps may differ in what they hold: the ends, where some methods have no neighbour,
// and of those that together with two neighbours on each side have shards of the same lengths the first.
std::set<int> unlike_places(const TrainConfig& config, int ranks) {
  const SequenceShard shard(shard_kind(config), config.data.sequence_length, ranks, 0);
  std::set<int> places = {0, ranks - 1};
  std::set<std::vector<std::int64_t>> seen;
  for (int place = 0; place < ranks; ++place) {
    std::vector<std::int64_t> lengths;
    for (int p = place - 2; p <= place + 2; ++p) lengths.push_back(shard.local_length((p + 2 * ranks) % ranks));
    if (seen.insert(lengths).second) places.insert(place);
  }
  return places;
}

}  // namespace

std::int64_t StepAccount::bytes_sent(const std::string& group) const {
  std::int64_t bytes = 0;
  for (const auto& [key, count] : traffic) bytes += key.first == group ? count.bytes : 0;
  return bytes;
}

StepAccount account_step(const TrainConfig& config, const MeshCoordinate& at, std::int64_t vocabulary) {
  check(config);
  const MeshShape mesh = mesh_shape(config.parallel);
  const ShapeOnly shape_only;
  const OwnCounters counters;
  Session session(config, Comm::phantom("world", mesh.size(), rank_of(mesh, at)),
                  blank_corpus(config.data, vocabulary));
  session.allocate(true);
  TrainingStep(session).run(0);

  const MemoryPool& pool = MemoryPool::instance();
  StepAccount account{
      .peak_total = pool.total().peak, .reserved = pool.reserved(), .traffic = CommCounters::instance().all()};
  for (int c = 0; c < kMemoryCategories; ++c) account.peak[c] = pool.use(static_cast<Memory>(c)).peak;
  account.snapshot = largest_snapshot(session);
  return account;
}

// Where parts are uneven the last data and tensor ranks have the larger ones, so that what remains is the place on the
// sequence axis.
StepAccount account_fullest_rank(const TrainConfig& config, int stage, std::int64_t vocabulary) {
  const MeshShape mesh = mesh_shape(config.parallel);
  StepAccount fullest;
  std::size_t snapshot = 0;
  for (const int place : unlike_places(config, mesh.sequence)) {
    const MeshCoordinate at{.data = mesh.data - 1, .tensor = mesh.tensor - 1, .pipeline = stage, .sequence = place};
    const StepAccount account = account_step(config, at, vocabulary);
    if (account.peak_total > fullest.peak_total) fullest = account;
    snapshot = std::max(snapshot, account.snapshot);
  }
  fullest.snapshot = snapshot;
  return fullest;
}

}  // namespace longspan
