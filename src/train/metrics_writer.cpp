#include "train/metrics_writer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/provenance_attributes.hpp"
#include "data/hdf5.hpp"
#include "tensor/memory.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr hsize_t kChunk = 256;  // rows
constexpr std::int64_t kMetricsVersion = 1;
constexpr std::size_t kSecondsColumn = 6;  // of train_columns

// One dataset of a table: float64 or int64.
struct Column {
  std::string name, unit;
  bool integer;

  hid_t file_type() const { return integer ? H5T_STD_I64LE : H5T_IEEE_F64LE; }
  hid_t memory_type() const { return integer ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE; }
};

// Values of both types have eight bytes: a row is one bit pattern a column.
using Row = std::vector<std::uint64_t>;
std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }
std::uint64_t bits(std::int64_t value) { return std::bit_cast<std::uint64_t>(value); }

Row bits(const TrainRow& r) {
  Row row = {bits(r.step),   bits(r.loss),    bits(r.accuracy),          bits(r.grad_norm),  bits(r.learning_rate),
             bits(r.tokens), bits(r.seconds), bits(r.tokens_per_second), bits(r.peak_bytes), bits(r.skipped)};
  const auto push = [&row](const auto& values, const std::string& key) {
    const auto found = values.find(key);
    row.push_back(found == values.end() ? 0 : bits(found->second));
  };
  for (const char* group : kCountedGroups) push(r.comm_bytes, group);
  for (const char* group : kCountedGroups) push(r.comm_seconds, group);
  for (int c = 0; c < kMemoryCategories; ++c) push(r.memory_bytes, to_string(static_cast<Memory>(c)));
  return row;
}

Row bits(const ValidationRow& r) { return {bits(r.step), bits(r.loss), bits(r.accuracy), bits(r.bits_per_byte)}; }

std::vector<Column> train_columns() {
  std::vector<Column> columns = {{"step", "1", true},           {"loss", "nat/token", false},
                                 {"accuracy", "1", false},      {"grad_norm", "1", false},
                                 {"learning_rate", "1", false}, {"tokens", "token", true},
                                 {"seconds", "s", false},       {"tokens_per_second", "token/s", false},
                                 {"peak_bytes", "byte", true},  {"skipped", "1", true}};
  for (const char* group : kCountedGroups) columns.push_back({std::string("comm_bytes/") + group, "byte", true});
  for (const char* group : kCountedGroups) columns.push_back({std::string("comm_seconds/") + group, "s", false});
  for (int c = 0; c < kMemoryCategories; ++c) {
    columns.push_back({std::string("memory_bytes/") + to_string(static_cast<Memory>(c)), "byte", true});
  }
  return columns;
}

std::vector<Column> validation_columns() {
  return {{"step", "1", true},
          {"loss", "nat/token", false},
          {"accuracy", "1", false},
          {"bits_per_byte", "bit/byte", false}};
}

// The columns of a group in a file that is being written.
class Table {
 public:
  Table(hid_t file, const std::string& group, std::vector<Column> columns, std::string path)
      : columns_(std::move(columns)), path_(std::move(path)) {
    const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose), layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links, 1);
    H5Pset_chunk(layout, 1, &kChunk);
    const hsize_t none = 0, unlimited = H5S_UNLIMITED;
    const Handle space(H5Screate_simple(1, &none, &unlimited), H5Sclose);
    for (const Column& column : columns_) {
      const std::string name = group + "/" + column.name;
      datasets_.push_back(
          hdf5::check(H5Dcreate2(file, name.c_str(), column.file_type(), space, links, layout, H5P_DEFAULT), H5Dclose,
                      "write '" + name + "' into", path_));
      hdf5::write_text(datasets_.back(), "unit", column.unit, path_);
    }
  }

  void append(const std::vector<Row>& rows) {
    if (rows.empty()) return;
    const hsize_t count = rows.size(), first = rows_, end = rows_ + count;
    const Handle memory(H5Screate_simple(1, &count, nullptr), H5Sclose);
    Row values(rows.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      std::ranges::transform(rows, values.begin(), [i](const Row& row) { return row.at(i); });
      hdf5::check(H5Dset_extent(datasets_[i], &end), "write", path_);
      const Handle space(H5Dget_space(datasets_[i]), H5Sclose);
      H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, nullptr, &count, nullptr);
      hdf5::check(H5Dwrite(datasets_[i], columns_[i].memory_type(), memory, space, H5P_DEFAULT, values.data()), "write",
                  path_);
    }
    rows_ = end;
  }

  // `step` comes last, so that a reader who sees a step sees its whole row.
  void flush() {
    for (std::size_t i = datasets_.size(); i-- > 0;) hdf5::check(H5Dflush(datasets_[i]), "write", path_);
  }

 private:
  std::vector<Column> columns_;
  std::vector<Handle> datasets_;
  std::string path_;
  hsize_t rows_ = 0;
};

// HDF5 wants each group on the way to be there.
bool has_dataset(hid_t file, const std::string& name) {
  for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    if (H5Lexists(file, name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(file, name.c_str(), H5P_DEFAULT) > 0;
}

// The rows of an old file. A run that was killed may have left columns of unequal length: the shortest counts. A column
// that the file's version did not have yet is zero.
std::vector<Row> read_table(hid_t file, const std::string& group, const std::vector<Column>& columns,
                            const std::string& path) {
  std::vector<Row> rows;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (c > 0 && !has_dataset(file, group + "/" + columns[c].name)) {
      for (Row& row : rows) row.push_back(0);
      continue;
    }
    const Handle dataset = hdf5::open_dataset(file, group + "/" + columns[c].name, path);
    const Handle space(H5Dget_space(dataset), H5Sclose);
    std::vector<std::uint64_t> column(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
    if (!column.empty()) {
      hdf5::check(H5Dread(dataset, columns[c].memory_type(), H5S_ALL, H5S_ALL, H5P_DEFAULT, column.data()), "read",
                  path);
    }
    rows.resize(c == 0 ? column.size() : std::min(rows.size(), column.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].push_back(column[i]);
  }
  return rows;
}

// A file under a name that goes away with it, unless it is renamed.
struct Temporary {
  std::string path;
  bool renamed = false;

  ~Temporary() {
    if (!renamed) std::remove(path.c_str());
  }
};

std::int64_t step_of(const Row& row) { return std::bit_cast<std::int64_t>(row[0]); }

struct OldRows {
  std::vector<Row> train, validation;
};

// The rows of an old file up to these steps; `step` is the first column.
OldRows read_old_rows(const std::string& path, std::int64_t last_train, std::int64_t last_validation) {
  OldRows old;
  if (last_train < 0 || !std::filesystem::exists(path)) return old;
  const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, hdf5::file_access()), H5Fclose);
  try {
    if (!file.open()) hdf5::fail("open", path);
    old = {read_table(file, "train", train_columns(), path),
           read_table(file, "validation", validation_columns(), path)};
  } catch (const EnvironmentError& error) {
    throw UserError("the metrics of the run cannot be continued ({}); move {} away", error.what(), path);
  }
  const auto later_than = [](std::int64_t last) { return [last](const Row& row) { return step_of(row) > last; }; };
  std::erase_if(old.train, later_than(last_train));
  std::erase_if(old.validation, later_than(last_validation));
  return old;
}

}  // namespace

struct MetricsWriter::File {
  Handle file;
  std::unique_ptr<Table> train, validation;

  // The new file takes the old one's place when it is whole, so that no moment leaves a run without metrics.
  File(const std::string& path, const Provenance& provenance, const OldRows& old) {
    Temporary written{path + ".tmp"};
    const std::string& temporary = written.path;
    file = hdf5::create_file(temporary);
    hdf5::write_integer(file, "format_version", kMetricsVersion, temporary);
    write_provenance(file, provenance, "start_time", temporary);
    train = std::make_unique<Table>(file, "train", train_columns(), path);
    validation = std::make_unique<Table>(file, "validation", validation_columns(), path);
    train->append(old.train);
    validation->append(old.validation);
    hdf5::check(H5Fflush(file, H5F_SCOPE_GLOBAL), "write", temporary);
    hdf5::check(H5Fstart_swmr_write(file), "share", temporary);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
      throw EnvironmentError("cannot rename {} to {}: {}", temporary, path, std::strerror(errno));
    }
    written.renamed = true;
  }

  // After a failed write the file stays as its readers see it now: what HDF5 still holds back, and what it wants to
  // read for that, meets a copy in memory that nobody else knows.
  void cut_off() {
    void* descriptor = nullptr;
    if (H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor) < 0 || descriptor == nullptr) return;
    const int own = *static_cast<int*>(descriptor), copy = ::memfd_create("metrics", MFD_CLOEXEC);
    if (copy < 0) return;
    std::vector<char> piece(1 << 20);
    ssize_t count = 0;
    for (off_t at = 0; (count = ::pread(own, piece.data(), piece.size(), at)) > 0; at += count) {
      if (::pwrite(copy, piece.data(), static_cast<std::size_t>(count), at) != count) break;
    }
    ::dup2(copy, own);
    ::close(copy);
  }
};

struct MetricsWriter::Rows {
  std::vector<Row> waiting;
  std::int64_t last = -1;  // step of the last row in the file
};

MetricsWriter::MetricsWriter(const std::string& path, const Provenance& provenance, std::int64_t resume_step)
    : path_(path), provenance_(provenance), train_(std::make_unique<Rows>()), validation_(std::make_unique<Rows>()) {
  const OldRows old = read_old_rows(path, resume_step, resume_step);
  file_ = std::make_unique<File>(path, provenance, old);
  train_->last = validation_->last = resume_step;
  if (!old.train.empty()) seconds_before_ = std::bit_cast<double>(old.train.back()[kSecondsColumn]);
}

MetricsWriter::~MetricsWriter() = default;

void MetricsWriter::append_train(const TrainRow& row) {
  train_->waiting.push_back(bits(row));
  write_waiting();
}

void MetricsWriter::append_validation(const ValidationRow& row) {
  validation_->waiting.push_back(bits(row));
  write_waiting();
}

// Where the last attempt failed it is repeated when twice as many rows wait.
void MetricsWriter::write_waiting() {
  if (problem_.empty() || std::has_single_bit(train_->waiting.size())) finish();
}

void MetricsWriter::finish() {
  const auto write = [](Table& table, Rows& rows) {
    if (rows.waiting.empty()) return;
    table.append(rows.waiting);
    table.flush();
    rows.last = step_of(rows.waiting.back());
    rows.waiting.clear();
  };
  try {
    if (!file_) {
      const OldRows old = read_old_rows(path_, std::max<std::int64_t>(0, train_->last), validation_->last);
      file_ = std::make_unique<File>(path_, provenance_, old);
    }
    write(*file_->train, *train_);
    write(*file_->validation, *validation_);
    problem_.clear();
  } catch (const Error& error) {
    problem_ = error.what();
    if (file_) file_->cut_off();
    file_.reset();
  }
}

std::size_t MetricsWriter::waiting_rows() const { return train_->waiting.size() + validation_->waiting.size(); }

}  // namespace longspan
