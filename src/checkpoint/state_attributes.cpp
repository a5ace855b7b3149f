#include "checkpoint/state_attributes.hpp"

#include "checkpoint/checksum.hpp"
#include "checkpoint/provenance_attributes.hpp"
#include "checkpoint/tensor_file.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

std::string read_tokenizer_model(hid_t group, const std::string& path) {
  const Handle dataset = hdf5::open_dataset(group, "tokenizer_model", path);
  const auto bytes = read_part(dataset, 0, {{.count = rows_of(dataset)}}, path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void write_state(hid_t group, const TrainState& state, const std::string& path) {
  hdf5::write_integer(group, "step", state.step, path);
  hdf5::write_integer(group, "tokens", state.tokens, path);
  hdf5::write_integer(group, "next_sequence", state.next_sequence, path);
  hdf5::write_integer(group, "seed", static_cast<std::int64_t>(state.seed), path);
  hdf5::write_integer(group, "vocabulary", state.vocabulary, path);
  hdf5::write_text(group, "tokenizer", state.tokenizer, path);
  write_provenance(group, state.provenance, "time", path);
  write_bytes(group, "tokenizer_model", state.tokenizer_model, path);
}

TrainState read_state(hid_t group, const std::string& path) {
  return {.step = hdf5::read_integer(group, "step", path),
          .tokens = hdf5::read_integer(group, "tokens", path),
          .next_sequence = hdf5::read_integer(group, "next_sequence", path),
          .seed = static_cast<std::uint64_t>(hdf5::read_integer(group, "seed", path)),
          .vocabulary = hdf5::read_integer(group, "vocabulary", path),
          .tokenizer = hdf5::read_text(group, "tokenizer", path),
          .tokenizer_model = read_tokenizer_model(group, path),
          .provenance = read_provenance(group, "time", path)};
}

}  // namespace longspan
