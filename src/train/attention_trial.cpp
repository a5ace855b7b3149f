#include "train/attention_trial.hpp"

#include <cmath>

#include "base/timer.hpp"
#include "comm/counters.hpp"
#include "ops/elementwise.hpp"
#include "tensor/device.hpp"
#include "tensor/random.hpp"

namespace longspan {
namespace {

Tensor random_tensor(const Shape& shape, Dtype dtype, std::uint64_t key) {
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 2 * uniform_float(key, i) - 1;
  const Tensor wide = Tensor::from_host(values, shape);
  if (dtype == Dtype::float32) return wide;
  const Tensor t = Tensor::empty(shape, dtype);
  ops::copy(wide, t);
  return t;
}

Visibility nothing_visible(const MaskRule&, const SequenceShard& shard, std::int64_t batch,
                           const std::vector<std::vector<std::int64_t>>&) {
  const Shape shape{batch, shard.local_length()};
  const Indices none(std::vector<std::int32_t>(static_cast<std::size_t>(shape.size())), shape);
  return {none, none};
}

// Messages of the sequence axis so far; a collective is one.
CommCount sent() {
  CommCount sum;
  for (const auto& [key, count] : CommCounters::instance().all()) {
    if (key.first != "sequence" || key.second == "receive") continue;
    sum.calls += count.calls;
    sum.bytes += count.bytes;
  }
  return sum;
}

}  // namespace

AttentionTrial::Axis AttentionTrial::split(const Comm& group, int inner) {
  const Comm all = group.split("sequence", 0, group.rank());
  return {all, all.split("sequence", all.rank() / inner, all.rank()),
          all.split("sequence", all.rank() % inner, all.rank()), all.split("self", all.rank(), 0)};
}

AttentionTrial::Axis AttentionTrial::phantoms(const SpreadLayer& layer, int rank) {
  return {Comm::phantom("sequence", layer.ranks, rank), Comm::phantom("sequence", layer.inner, rank % layer.inner),
          Comm::phantom("sequence", layer.ranks / layer.inner, rank / layer.inner), Comm::phantom("self", 1, 0)};
}

AttentionTrial::AttentionTrial(const std::string& method, const SpreadLayer& layer, const Comm& group)
    : layer_(layer),
      method_(make_sequence_method(method, layer.ranks, layer.inner)),
      group_(group),
      axis_(split(group, layer.inner)),
      alone_(phantoms(layer, group.rank())),
      shard_(layer.shard, layer.length, layer.ranks, group.rank()) {
  const AttentionSizes& s = layer.sizes;
  const auto key = static_cast<std::uint64_t>(group.rank()) << 8;
  q_ = random_tensor({s.batch, s.heads, shard_.local_length(), s.head_width}, s.dtype, key + 1);
  kv_ = random_tensor({2 * s.batch, s.key_heads, shard_.local_length(), s.head_width}, s.dtype, key + 2);
  dout_ = random_tensor(q_.shape(), s.dtype, key + 3);
}

PassSeconds AttentionTrial::time(Part part) const {
  const auto visibility =
      part == Part::messages ? std::make_shared<VisibilityCache>(nothing_visible) : std::make_shared<VisibilityCache>();
  Tape tape;
  ops::AttentionRules rules;
  rules.scale = 1 / std::sqrt(static_cast<double>(layer_.sizes.head_width));
  const AttentionLayer layer{.tape = tape,
                             .axes = (part == Part::products ? alone_ : axis_).axes(),
                             .shard = shard_,
                             .mask = layer_.mask,
                             .batch = layer_.sizes.batch,
                             .document_starts = {},
                             .visibility = visibility,
                             .rules = rules};
  const Variable q(q_), kv(kv_);
  MemoryPool::instance().reset_peak();
  PassSeconds seconds;
  group_.barrier();
  const CommCount start = sent();
  Timer timer;
  const Variable o = method_->attend(layer, q, kv);
  device::fence();
  seconds.forward = timer.seconds();
  const CommCount middle = sent();
  group_.barrier();
  timer.restart();
  o.set_gradient(dout_);
  tape.backward();
  device::fence();
  seconds.backward = timer.seconds();
  const CommCount end = sent();
  if (part == Part::whole) {
    counted_ = {.forward_bytes = middle.bytes - start.bytes,
                .backward_bytes = end.bytes - middle.bytes,
                .forward_messages = middle.calls - start.calls,
                .backward_messages = end.calls - middle.calls};
    peak_bytes_ = static_cast<std::int64_t>(MemoryPool::instance().total().peak);
  }
  return seconds;
}

Traffic AttentionTrial::closed_form() const { return method_->traffic(layer_.sizes, layer_.mask, shard_); }

double AttentionTrial::work() const {
  return method_->work(layer_.sizes, layer_.mask, shard_)[static_cast<std::size_t>(shard_.part())];
}

}  // namespace longspan
