// The one place where token mixers are listed.
#include <map>
#include <type_traits>

#include "mixers/attention.hpp"
#include "mixers/deltanet.hpp"
#include "mixers/gated_deltanet.hpp"
#include "mixers/gla.hpp"
#include "mixers/linear_attention.hpp"
#include "mixers/mamba2.hpp"
#include "mixers/mixer.hpp"
#include "mixers/recurrent.hpp"
#include "mixers/retnet.hpp"
#include "mixers/rnn.hpp"

namespace longspan {
namespace {

struct Entry {
  MixerFactory make;
  bool recurrent;
};

template <class M>
Entry entry() {
  return {[](ParameterStore& store, const MixerSettings& settings) { return std::make_unique<M>(store, settings); },
          std::is_base_of_v<RecurrentMixer, M>};
}

Entry rnn(ops::RnnCell cell) {
  return {[cell](ParameterStore& store, const MixerSettings& settings) {
            return std::make_unique<Rnn>(store, settings, cell);
          },
          true};
}

const std::map<std::string, Entry>& registry() {
  static const std::map<std::string, Entry> mixers = {
      {"attention", entry<Attention>()},
      {"deltanet", entry<DeltaNet>()},
      {"elman", rnn(ops::RnnCell::elman)},
      {"gated_deltanet", entry<GatedDeltaNet>()},
      {"gla", entry<GatedLinearAttention>()},
      {"gru", rnn(ops::RnnCell::gru)},
      {"linear_attention", entry<LinearAttention>()},
      {"lstm", rnn(ops::RnnCell::lstm)},
      {"mamba2", entry<Mamba2>()},
      {"retnet", entry<RetNet>()},
      {"slstm", rnn(ops::RnnCell::slstm)},
  };
  return mixers;
}

const Entry& find(const std::string& kind) {
  const auto found = registry().find(kind);
  if (found != registry().end()) return found->second;
  std::string known;
  for (const auto& name : mixer_names()) known += (known.empty() ? "" : ", ") + name;
  throw UserError("model.mixers names the token mixer '{}', which does not exist; use one of: {}", kind, known);
}

}  // namespace

std::vector<std::string> mixer_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : registry()) names.push_back(name);
  return names;
}

std::unique_ptr<Mixer> make_mixer(const std::string& kind, ParameterStore& store, const MixerSettings& settings) {
  return find(kind).make(store, settings);
}

bool is_recurrent(const std::string& kind) { return find(kind).recurrent; }

}  // namespace longspan
