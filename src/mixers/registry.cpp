// The one place where token mixers are listed.
#include <map>
#include <type_traits>

#include "config/value_text.hpp"
#include "mixers/aaren.hpp"
#include "mixers/attention.hpp"
#include "mixers/deltanet.hpp"
#include "mixers/gated_deltanet.hpp"
#include "mixers/gla.hpp"
#include "mixers/hydra.hpp"
#include "mixers/linear_attention.hpp"
#include "mixers/linformer.hpp"
#include "mixers/mamba.hpp"
#include "mixers/mamba2.hpp"
#include "mixers/mixer.hpp"
#include "mixers/recurrent.hpp"
#include "mixers/retnet.hpp"
#include "mixers/rnn.hpp"

namespace longspan {
namespace {

// Whether a mixer runs over positions one after the other, and from where.
enum class Run { none, forwards, both_ways };

struct Entry {
  MixerFactory make;
  Run run;
};

template <class M>
Entry entry(Run run = std::is_base_of_v<RecurrentMixer, M> ? Run::forwards : Run::none) {
  return {[](ParameterStore& store, const MixerSettings& settings) { return std::make_unique<M>(store, settings); },
          run};
}

Entry rnn(ops::RnnCell cell) {
  return {[cell](ParameterStore& store, const MixerSettings& settings) {
            return std::make_unique<Rnn>(store, settings, cell);
          },
          Run::forwards};
}

const std::map<std::string, Entry>& registry() {
  static const std::map<std::string, Entry> mixers = {
      {"aaren", entry<Aaren>()},
      {"attention", entry<Attention>()},
      {"deltanet", entry<DeltaNet>()},
      {"elman", rnn(ops::RnnCell::elman)},
      {"gated_deltanet", entry<GatedDeltaNet>()},
      {"gla", entry<GatedLinearAttention>()},
      {"gru", rnn(ops::RnnCell::gru)},
      {"hydra", entry<Hydra>(Run::both_ways)},
      {"linformer", entry<Linformer>()},
      {"linear_attention", entry<LinearAttention>()},
      {"lstm", rnn(ops::RnnCell::lstm)},
      {"mamba", entry<Mamba>()},
      {"mamba2", entry<Mamba2>()},
      {"retnet", entry<RetNet>()},
      {"slstm", rnn(ops::RnnCell::slstm)},
  };
  return mixers;
}

const Entry& find(const std::string& kind) {
  const auto found = registry().find(kind);
  if (found != registry().end()) return found->second;
  throw UserError("model.mixers names the token mixer '{}', which does not exist; use one of: {}", kind,
                  listed(mixer_names()));
}

}  // namespace

std::vector<std::string> mixer_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : registry()) names.push_back(name);
  return names;
}

std::unique_ptr<Mixer> make_mixer(const std::string& kind, ParameterStore& store, const MixerSettings& settings) {
  const Entry& mixer = find(kind);
  if (mixer.run == Run::forwards && !settings.model.causal) {
    throw UserError(
        "the mixer {} reads only what came before a token; set model.causal = true or use a mixer that sees both sides "
        "(attention, hydra, linformer)",
        kind);
  }
  if (mixer.run == Run::both_ways && settings.model.causal) {
    throw UserError("the mixer {} reads a sequence from both ends; set model.causal = false or use another mixer",
                    kind);
  }
  return mixer.make(store, settings);
}

bool is_recurrent(const std::string& kind) { return find(kind).run != Run::none; }

}  // namespace longspan
