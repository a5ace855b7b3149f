#include "train/foreign_names.hpp"

#include <format>
#include <map>

#include "base/error.hpp"

namespace longspan {
namespace {

// Of a block, behind "blocks.N.": the module there, without ".weight" or ".bias".
const std::map<std::string, ForeignPlace> kGpt2Block = {
    {"mixer_norm", {"ln_1"}},
    {"attention.query", {"attn.c_attn", true, 0, 3}},
    {"attention.key", {"attn.c_attn", true, 1, 3}},
    {"attention.value", {"attn.c_attn", true, 2, 3}},
    {"attention.output", {"attn.c_proj", true}},
    {"feed_forward_norm", {"ln_2"}},
    {"feed_forward.up", {"mlp.c_fc", true}},
    {"feed_forward.down", {"mlp.c_proj", true}},
};
const std::map<std::string, ForeignPlace> kLlamaBlock = {
    {"mixer_norm", {"input_layernorm"}},        {"attention.query", {"self_attn.q_proj"}},
    {"attention.key", {"self_attn.k_proj"}},    {"attention.value", {"self_attn.v_proj"}},
    {"attention.output", {"self_attn.o_proj"}}, {"feed_forward_norm", {"post_attention_layernorm"}},
    {"feed_forward.gate", {"mlp.gate_proj"}},   {"feed_forward.up", {"mlp.up_proj"}},
    {"feed_forward.down", {"mlp.down_proj"}},
};
const std::map<std::string, ForeignPlace> kGpt2Ends = {
    {"embedding", {"wte"}}, {"positions", {"wpe"}}, {"final_norm", {"ln_f"}}, {"head", {"lm_head"}}};
const std::map<std::string, ForeignPlace> kLlamaEnds = {
    {"embedding", {"model.embed_tokens"}}, {"final_norm", {"model.norm"}}, {"head", {"lm_head"}}};

}  // namespace

std::string foreign_layout(const ModelConfig& m, const std::string& path) {
  const auto attention = m.mixers.find_first_not_of(" ") != std::string::npos && m.mixers == "attention";
  if (attention && m.causal && m.window == 0) {
    if (m.norm == "layer" && m.activation == "gelu" && m.positions == "learned" && m.bias &&
        m.num_kv_heads() == m.heads) {
      return "gpt2";
    }
    if (m.norm == "rms" && m.activation == "swiglu" && m.positions == "rotary" && !m.bias) return "llama";
  }
  throw UserError(
      "the model of {} has no layout in safetensors: {}{} of mixers {}, norm {}, activation {}, positions {}, bias {}; "
      "models like GPT-2 (attention, layer, gelu, learned, true, all heads with keys of their own) and Llama "
      "(attention, rms, swiglu, rotary, false), causal and without window, have one",
      path, m.causal ? "causal" : "bidirectional", m.window > 0 ? " with window" : "", m.mixers, m.norm, m.activation,
      m.positions, m.bias);
}

ForeignPlace foreign_place(const std::string& layout, const std::string& parameter) {
  const bool gpt2 = layout == "gpt2";
  const std::size_t dot = parameter.rfind('.');
  const std::string module = parameter.substr(0, dot), kind = parameter.substr(dot);
  if (!module.starts_with("blocks.")) {
    ForeignPlace place = (gpt2 ? kGpt2Ends : kLlamaEnds).at(module);
    place.tensor += kind;
    return place;
  }
  const std::size_t after = module.find('.', 7);
  ForeignPlace place = (gpt2 ? kGpt2Block : kLlamaBlock).at(module.substr(after + 1));
  place.tensor =
      std::format("{}.{}.{}{}", gpt2 ? "h" : "model.layers", module.substr(7, after - 7), place.tensor, kind);
  place.transposed = place.transposed && kind == ".weight";
  return place;
}

bool is_foreign_extra(const std::string& layout, const std::string& tensor, bool tied_embeddings) {
  if (tensor == "lm_head.weight") return tied_embeddings;
  if (layout == "llama") return tensor.ends_with(".rotary_emb.inv_freq");
  return tensor.ends_with(".attn.bias") || tensor.ends_with(".attn.masked_bias");
}

}  // namespace longspan
