#include "train/foreign_model.hpp"

#include <algorithm>
#include <cstring>
#include <format>
#include <map>
#include <optional>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/safetensors.hpp"
#include "models/decoder.hpp"
#include "train/foreign_names.hpp"
#include "train/stored_config.hpp"

namespace longspan {
namespace {

using hdf5::Handle;
using Bytes = std::vector<std::byte>;

// [rows, cols] of elements -> [cols, rows].
Bytes transpose(const Bytes& matrix, std::int64_t rows, std::int64_t cols, std::size_t element) {
  Bytes result(matrix.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      std::memcpy(result.data() + static_cast<std::size_t>(c * rows + r) * element,
                  matrix.data() + static_cast<std::size_t>(r * cols + c) * element, element);
    }
  }
  return result;
}

// The foreign tensor that a parameter of this shape is a part of.
std::vector<std::int64_t> foreign_dims(const ForeignPlace& place, std::vector<std::int64_t> dims) {
  dims[0] *= place.parts;
  if (place.transposed) std::ranges::reverse(dims);
  return dims;
}

std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t n : dims) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

// Foreign tensors in the order of our parameters, and the parameters that make each, part by part.
struct Export {
  std::vector<SafetensorsWriter::Entry> entries;
  std::map<std::string, std::vector<std::string>> parts;
};

Export plan_export(const std::string& layout, const CheckpointInfo& info, const std::string& checkpoint) {
  Export plan;
  for (const DatasetInfo& dataset : info.datasets) {
    if (!dataset.name.starts_with("/model/")) continue;
    const ForeignPlace place = foreign_place(layout, dataset.name.substr(7));
    auto& parts = plan.parts[place.tensor];
    if (parts.empty()) {
      plan.entries.push_back(
          {place.tensor, foreign_dims(place, dataset.dims), parse_float_dtype(dataset.dtype, checkpoint)});
    }
    parts.resize(static_cast<std::size_t>(place.parts));
    parts[static_cast<std::size_t>(place.part)] = dataset.name;
  }
  return plan;
}

Bytes read_all(const Handle& file, const std::string& name, const std::string& path) {
  const Handle dataset = hdf5::open_dataset(file, name, path);
  return read_part(dataset, 0, {{.count = stored_dims(dataset).at(0)}}, path);
}

// Our parameter out of its foreign tensor, in that one's dtype.
SafetensorsReader::Values read_parameter(const SafetensorsReader& file, const std::string& tensor,
                                         const ForeignPlace& place) {
  SafetensorsReader::Values values = file.read(tensor);
  const auto& dims = file.tensors().at(tensor).dims;
  if (place.transposed) values.bytes = transpose(values.bytes, dims[0], dims[1], size_of(values.dtype));
  const std::size_t part = values.bytes.size() / static_cast<std::size_t>(place.parts);
  const auto begin = values.bytes.begin() + static_cast<std::ptrdiff_t>(part * static_cast<std::size_t>(place.part));
  return {values.dtype, Bytes(begin, begin + static_cast<std::ptrdiff_t>(part))};
}

// Files of GPT-2 come with and without this in front of every name but lm_head's.
std::string prefix_of(const SafetensorsReader& file, const std::string& layout) {
  return layout == "gpt2" && file.tensors().contains("transformer.wte.weight") ? "transformer." : "";
}

const SafeTensor& find(const SafetensorsReader& file, const std::string& name) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) {
    throw UserError("{} holds another model: it lacks {}; give its sizes in [model], for example by model.preset",
                    file.path(), name);
  }
  return found->second;
}

// The widest of the tensors' types: what holds all of them exactly.
Dtype common_dtype(const SafetensorsReader& file) {
  bool any64 = false, all_bfloat16 = true;
  for (const auto& [name, tensor] : file.tensors()) {
    if (!tensor.dtype.starts_with("F") && tensor.dtype != "BF16") continue;  // a buffer
    any64 = any64 || tensor.dtype == "F64";
    all_bfloat16 = all_bfloat16 && tensor.dtype == "BF16";
  }
  return any64 ? Dtype::float64 : all_bfloat16 ? Dtype::bfloat16 : Dtype::float32;
}

void check_nothing_left(const SafetensorsReader& file, const ParameterStore& store, const std::string& layout,
                        const std::string& prefix, bool tied) {
  std::map<std::string, bool> used;
  for (const auto& p : store.all()) used[foreign_place(layout, p->info().name).tensor] = true;
  for (const auto& [name, tensor] : file.tensors()) {
    const std::string own = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    if (used.contains(own) || is_foreign_extra(layout, own, tied)) continue;
    throw UserError("{} holds another model: it has {}, which this configuration lacks; give its sizes in [model]",
                    file.path(), name);
  }
}

void fill(const SafetensorsReader& file, const Parameter& p, const std::string& layout, const std::string& prefix) {
  const ForeignPlace place = foreign_place(layout, p.info().name);
  const std::string name = (place.tensor.starts_with("lm_head") ? "" : prefix) + place.tensor;
  std::vector<std::int64_t> dims;
  for (int i = 0; i < p.info().shape.rank(); ++i) dims.push_back(p.info().shape[i]);
  const auto wanted = foreign_dims(place, dims);
  const SafeTensor& found = find(file, name);
  if (found.dims != wanted) {
    throw UserError("{} holds another model: {} is {}, this configuration wants {}; give its sizes in [model]",
                    file.path(), name, dims_text(found.dims), dims_text(wanted));
  }
  auto values = read_parameter(file, name, place);
  values.bytes = convert(std::move(values.bytes), values.dtype, p.value().dtype());
  p.value().copy_from_host(values.bytes.data());
}

}  // namespace

ForeignCount export_model(const std::string& checkpoint, const std::string& path) {
  const CheckpointInfo info = read_checkpoint_info(checkpoint);
  const std::string layout = foreign_layout(stored_config(checkpoint).model, checkpoint);
  const Export plan = plan_export(layout, info, checkpoint);
  const Handle file = hdf5::open_file(checkpoint, "checkpoint");
  ForeignCount count{.layout = layout};
  SafetensorsWriter writer(path, plan.entries,
                           {{"format", "pt"}, {"made_by", "longspan"}, {"step", std::to_string(info.state.step)}});
  for (const auto& entry : plan.entries) {
    Bytes whole;
    for (const std::string& name : plan.parts.at(entry.name)) {
      const Bytes part = read_all(file, name, checkpoint);
      whole.insert(whole.end(), part.begin(), part.end());
    }
    const std::string first = plan.parts.at(entry.name)[0].substr(7);
    if (foreign_place(layout, first).transposed) {
      whole = transpose(whole, entry.dims[1], entry.dims[0], size_of(entry.dtype));
    }
    writer.append(whole);
    ++count.tensors;
    count.parameters += static_cast<std::int64_t>(whole.size() / size_of(entry.dtype));
  }
  writer.finish();
  return count;
}

ForeignCount import_model(const std::string& path, const std::string& checkpoint, const TrainConfig& given,
                          const Comm& world) {
  TrainConfig config = given;
  const std::string layout = foreign_layout(config.model, "this configuration");
  const SafetensorsReader file(path);
  const std::string prefix = prefix_of(file, layout);
  const auto rows = [&](const char* parameter) {
    const SafeTensor tensor = find(file, prefix + foreign_place(layout, parameter).tensor);
    return tensor.dims.empty() ? 0 : tensor.dims[0];
  };
  const std::int64_t vocabulary = rows("embedding.weight");
  if (layout == "gpt2") config.data.sequence_length = rows("positions.weight");
  const Dtype dtype = common_dtype(file);
  config.run.dtype = to_string(dtype);

  const Mesh mesh(world, {});
  ParameterStore store(mesh.shape(), mesh.at());
  const Decoder decoder(
      DecoderSettings{.model = config.model, .vocabulary = vocabulary, .max_length = config.data.sequence_length},
      store);
  check_nothing_left(file, store, layout, prefix, config.model.tied_embeddings);
  store.allocate(dtype, 0, false);
  for (const auto& p : store.all()) fill(file, *p, layout, prefix);
  const TrainState state = {.vocabulary = vocabulary,
                            .tokenizer = "none",
                            .provenance = make_provenance(config_text(config), mesh.shape().str())};
  CheckpointSave(checkpoint, mesh, store, nullptr, state, false).finish();
  return {static_cast<std::int64_t>(file.tensors().size()), store.counted_elements(), layout};
}

}  // namespace longspan
