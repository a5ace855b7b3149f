#include "mixers/sequence/sequence_method.hpp"

#include "layout/visible_pairs.hpp"
#include "mixers/sequence/circulating_keys.hpp"
#include "mixers/sequence/gathered_keys.hpp"
#include "mixers/sequence/ring_self_attention.hpp"
#include "mixers/sequence/token_ring.hpp"
#include "mixers/sequence/ulysses.hpp"
#include "mixers/sequence/window_edges.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

// A gradient in the model's dtype.
Tensor rounded(const Tensor& g, Dtype dtype) {
  if (g.dtype() == dtype) return g;
  const Tensor r = Tensor::empty(g.shape(), dtype, Memory::activations, "gradient");
  ops::copy(g, r);
  return r;
}

}  // namespace

Variable TwoPassMethod::attend(const AttentionLayer& layer, const Variable& q, const Variable& kv) const {
  const AttentionOutput output = forward(layer, q.value(), kv.value());
  const Variable o(output.o);
  layer.tape.record("attention", [this, layer, q, kv, o, output] {
    const AttentionGradients g = backward(layer, q.value(), kv.value(), output, o.take_gradient());
    q.add_gradient(rounded(g.dq, q.value().dtype()));
    kv.add_gradient(layer.round_key_gradients ? rounded(g.dkv, kv.value().dtype()) : g.dkv);
  });
  return o;
}

std::unique_ptr<SequenceMethod> make_sequence_method(const std::string& name, int ranks, int inner) {
  const auto circulating = [](std::vector<RingRoute> routes) {
    return std::make_unique<CirculatingKeys>(std::move(routes));
  };
  if (name == "ring") return circulating({RingRoute::up(ranks)});
  if (name == "bidirectional_ring") return circulating({RingRoute::up(ranks), RingRoute::down(ranks)});
  if (name == "double_ring") return circulating({RingRoute::nested(ranks, inner)});
  if (name == "tokenring") return std::make_unique<TokenRing>();
  if (name == "rsa") return std::make_unique<RingSelfAttention>(GradientSummation::all_reduce);
  if (name == "rsa_reduce_scatter") return std::make_unique<RingSelfAttention>(GradientSummation::on_the_way);
  if (name == "ulysses") return std::make_unique<Ulysses>(ranks, circulating({RingRoute::up(1)}));
  if (name == "ulysses_ring") return std::make_unique<Ulysses>(inner, circulating({RingRoute::up(ranks / inner)}));
  if (name == "allgather_kv") return std::make_unique<GatheredKeys>();
  if (name == "window") return std::make_unique<WindowEdges>();
  throw UserError("parallel.sequence_method = '{}' is no method; see longspan-train --help", name);
}

// Each rank computes what its own queries see.
std::vector<double> SequenceMethod::work(const AttentionSizes&, const MaskRule& mask,
                                         const SequenceShard& shard) const {
  std::vector<double> share;
  double all = 0;
  for (int part = 0; part < shard.parts(); ++part) {
    share.push_back(static_cast<double>(visible_pairs(mask, shard.runs(part), shard.global_length())));
    all += share.back();
  }
  for (double& s : share) s = all > 0 ? s / all : 1.0 / shard.parts();
  return share;
}

}  // namespace longspan
