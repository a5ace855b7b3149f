// The one place where token mixers are listed.
#include <map>

#include "mixers/attention.hpp"
#include "mixers/linformer.hpp"
#include "mixers/mixer.hpp"

namespace longspan {
namespace {

template <class M>
std::unique_ptr<Mixer> make(ParameterStore& store, const MixerSettings& settings) {
  return std::make_unique<M>(store, settings);
}

const std::map<std::string, MixerFactory>& registry() {
  static const std::map<std::string, MixerFactory> mixers = {
      {"attention", make<Attention>},
      {"linformer", make<Linformer>},
  };
  return mixers;
}

}  // namespace

std::vector<std::string> mixer_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : registry()) names.push_back(name);
  return names;
}

std::unique_ptr<Mixer> make_mixer(const std::string& kind, ParameterStore& store, const MixerSettings& settings) {
  const auto found = registry().find(kind);
  if (found != registry().end()) return found->second(store, settings);
  std::string known;
  for (const auto& name : mixer_names()) known += (known.empty() ? "" : ", ") + name;
  throw UserError("model.mixers names the token mixer '{}', which does not exist; use one of: {}", kind, known);
}

}  // namespace longspan
