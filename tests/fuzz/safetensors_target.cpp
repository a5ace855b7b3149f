// A safetensors file: the input is its content.
#include "base/error.hpp"
#include "checkpoint/safetensors.hpp"
#include "target.hpp"

namespace longspan::fuzz {

void fuzz_one(const std::string& input) {
  const MemoryFile file(input);
  try {
    const SafetensorsReader reader(file.path());
    for (const auto& [name, tensor] : reader.tensors()) {
      try {
        reader.read(name);
      } catch (const UserError&) {
      }
    }
  } catch (const UserError&) {
  }
}

}  // namespace longspan::fuzz
