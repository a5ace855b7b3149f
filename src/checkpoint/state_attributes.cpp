#include "checkpoint/state_attributes.hpp"

#include <xxhash.h>

#include <format>

#include "base/error.hpp"
#include "checkpoint/provenance_attributes.hpp"
#include "checkpoint/tensor_file.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

// xxHash64 of the attributes' values in the order of docs/checkpoint_format.md, each with a zero byte behind it.
std::string checksum(const TrainState& s) {
  std::string text;
  for (const std::int64_t n : {s.step, s.tokens, s.next_sequence, static_cast<std::int64_t>(s.seed), s.vocabulary}) {
    text += std::to_string(n) + '\0';
  }
  const Provenance& p = s.provenance;
  for (const auto* value : {&s.tokenizer, &p.version, &p.git_hash, &p.config, &p.mesh, &p.host, &p.time}) {
    text += *value + '\0';
  }
  return std::format("{:016x}", XXH64(text.data(), text.size(), 0));
}

std::string read_tokenizer_model(hid_t group, const std::string& path) {
  const Handle dataset = hdf5::open_dataset(group, "tokenizer_model", path);
  const auto bytes = read_part(dataset, 0, {{.count = stored_dims(dataset).at(0)}}, path);
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
  hdf5::write_text(group, "checksum", checksum(state), path);
  const std::string& model = state.tokenizer_model;
  write_dataset(group, "tokenizer_model", {static_cast<std::int64_t>(model.size())}, H5T_STD_U8LE, model.data(), path);
}

TrainState read_state(hid_t group, const std::string& path) {
  const TrainState state = {.step = hdf5::read_integer(group, "step", path),
                            .tokens = hdf5::read_integer(group, "tokens", path),
                            .next_sequence = hdf5::read_integer(group, "next_sequence", path),
                            .seed = static_cast<std::uint64_t>(hdf5::read_integer(group, "seed", path)),
                            .vocabulary = hdf5::read_integer(group, "vocabulary", path),
                            .tokenizer = hdf5::read_text(group, "tokenizer", path),
                            .tokenizer_model = read_tokenizer_model(group, path),
                            .provenance = read_provenance(group, "time", path)};
  if (checksum(state) != hdf5::read_text(group, "checksum", path)) {
    throw UserError("the checksum of the attributes of /state in {} is wrong", path);
  }
  return state;
}

}  // namespace longspan
