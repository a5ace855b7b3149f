#include "mixers/sequence/gathered_keys.hpp"

#include <algorithm>

#include "layout/volume.hpp"
#include "ops/block_copy.hpp"

namespace longspan {
namespace {

constexpr std::int64_t kChunks = 4;

std::vector<Range> chunks_of(std::int64_t key_heads) {
  const std::int64_t count = std::min(key_heads, kChunks);
  std::vector<Range> chunks;
  for (std::int64_t i = 0; i < count; ++i) chunks.push_back(split(key_heads, count, i));
  return chunks;
}

Tensor heads_of(const Tensor& x, const Range& heads) {
  if (heads.size() == x.dim(1)) return x;
  const Tensor part =
      Tensor::empty({x.dim(0), heads.size(), x.dim(2), x.dim(3)}, x.dtype(), Memory::workspace, "some heads");
  ops::copy_block(ops::BlockRef(x).heads(heads.begin, heads.size()), ops::BlockRef(part));
  return part;
}
void put_heads(const Tensor& part, const Tensor& x, const Range& heads) {
  if (part.raw() == x.raw()) return;
  ops::copy_block(ops::BlockRef(part), ops::BlockRef(x).heads(heads.begin, heads.size()));
}
// Statistics [B, H, n] as blocks of one column.
Tensor as_block(const Tensor& rows) { return rows.reshape({rows.dim(0), rows.dim(1), rows.dim(2), 1}); }
Tensor rows_of_heads(const Tensor& rows, const Range& heads) {
  const Tensor part = heads_of(as_block(rows), heads);
  return part.reshape({part.dim(0), part.dim(1), part.dim(2)});
}

// One chunk of heads of all ranks: the blocks [2 B, c, n_r, K] of the ranks one after the other.
class Chunk {
 public:
  Chunk(const AttentionLayer& layer, const Tensor& kv, const Range& heads, Dtype dtype)
      : layer_(layer), heads_(heads), outer_(kv.dim(0)), width_(kv.dim(3)) {
    std::int64_t first = 0;
    for (int r = 0; r < layer.size(); ++r) {
      rows_.push_back(layer.shard.local_length(r));
      first_.push_back(first);
      first += rows_.back();
    }
    all_ = Tensor::empty({first, outer_ * heads.size() * width_}, dtype, Memory::communication, "gathered keys");
  }

  const Range& heads() const { return heads_; }
  Tensor block(int rank) const {
    const auto r = static_cast<std::size_t>(rank);
    return all_.slice(first_[r], rows_[r]).reshape({outer_, heads_.size(), rows_[r], width_});
  }
  const Tensor& all() const { return all_; }

  void gather(const Tensor& kv) {
    put_mine(kv);
    request_ = layer_.axis().all_gather_async(block(layer_.rank()), all_, rows_);
  }
  void scatter(const Tensor& mine) { request_ = layer_.axis().reduce_scatter_async(all_, mine, rows_); }
  void wait() { request_.wait(); }

 private:
  void put_mine(const Tensor& kv) {
    ops::copy_block(ops::BlockRef(kv).heads(heads_.begin, heads_.size()), ops::BlockRef(block(layer_.rank())));
  }

  const AttentionLayer& layer_;
  Range heads_;
  std::int64_t outer_, width_;
  std::vector<std::int64_t> rows_, first_;
  Tensor all_;
  Request request_;
};

std::unique_ptr<Chunk> gather(const AttentionLayer& layer, const Tensor& kv, const std::vector<Range>& chunks,
                              std::size_t i) {
  if (i >= chunks.size()) return nullptr;
  auto chunk = std::make_unique<Chunk>(layer, kv, chunks[i], kv.dtype());
  chunk->gather(kv);
  return chunk;
}

}  // namespace

void GatheredKeys::forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                                  const Tensor& lse) const {
  const std::int64_t group = q.dim(1) / kv.dim(1);
  const ops::AttentionRules all_rules = layer.rules_for_part(layer.rank());
  const std::vector<Range> chunks = chunks_of(kv.dim(1));
  std::unique_ptr<Chunk> coming = gather(layer, kv, chunks, 0);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const std::unique_ptr<Chunk> chunk = std::move(coming);
    coming = gather(layer, kv, chunks, i + 1);
    const Range heads{chunk->heads().begin * group, chunk->heads().end * group};
    const ops::AttentionRules rules = ops::rules_for_heads(all_rules, heads.begin, heads.size());
    const Tensor queries = heads_of(q, heads);
    const ops::AttentionState state = ops::make_attention_state(queries);
    chunk->wait();
    for (int r = 0; r < layer.size(); ++r) {
      const Tensor block = chunk->block(r);
      ops::attention_visit(rules, queries, keys(block), values(block), layer.shard.runs(r), state);
    }
    const bool whole = chunks.size() == 1;
    const Tensor out = whole ? o : Tensor::empty(queries.shape(), o.dtype(), Memory::workspace, "some heads");
    const Tensor sums =
        whole ? lse : Tensor::empty({q.dim(0), heads.size(), q.dim(2)}, lse.dtype(), Memory::workspace, "some heads");
    ops::attention_finish(state, out, sums);
    put_heads(out, o, heads);
    put_heads(as_block(sums), as_block(lse), heads);
  }
}

Tensor GatheredKeys::backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& lse,
                                     const Tensor& dout, const Tensor& delta, const Tensor& dq) const {
  const std::int64_t group = q.dim(1) / kv.dim(1);
  const Dtype sums = accumulation_dtype(q.dtype());
  const ops::AttentionRules all_rules = layer.rules_for_part(layer.rank());
  const std::vector<Range> chunks = chunks_of(kv.dim(1));
  const Tensor dkv = Tensor::empty(kv.shape(), sums, Memory::activations, "gradient");
  std::unique_ptr<Chunk> coming = gather(layer, kv, chunks, 0), leaving;
  Tensor mine;  // what comes home of the chunk that is leaving
  const auto come_home = [&] {
    if (!leaving) return;
    leaving->wait();
    put_heads(mine, dkv, leaving->heads());
    leaving.reset();
  };
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const std::unique_ptr<Chunk> chunk = std::move(coming);
    coming = gather(layer, kv, chunks, i + 1);
    const Range heads{chunk->heads().begin * group, chunk->heads().end * group};
    const ops::AttentionRules rules = ops::rules_for_heads(all_rules, heads.begin, heads.size());
    auto gradients = std::make_unique<Chunk>(layer, kv, chunks[i], sums);
    gradients->all().set_zero();
    const Tensor queries = heads_of(q, heads), dqueries = heads_of(dq, heads), douts = heads_of(dout, heads);
    const Tensor head_lse = rows_of_heads(lse, heads), head_delta = rows_of_heads(delta, heads);
    chunk->wait();
    for (int r = 0; r < layer.size(); ++r) {
      const Tensor block = chunk->block(r), dblock = gradients->block(r);
      ops::attention_visit_backward(rules, queries, keys(block), values(block), layer.shard.runs(r), head_lse, douts,
                                    head_delta, dqueries, keys(dblock), values(dblock));
    }
    put_heads(dqueries, dq, heads);
    come_home();
    mine = Tensor::empty({kv.dim(0), chunks[i].size(), kv.dim(2), kv.dim(3)}, sums, Memory::communication,
                         "summed gradients");
    gradients->scatter(mine);
    leaving = std::move(gradients);
  }
  come_home();
  return dkv;
}

Traffic GatheredKeys::traffic(const AttentionSizes& sizes, const MaskRule&, const SequenceShard& shard) const {
  Traffic t;
  if (shard.parts() == 1) return t;
  for (const Range& heads : chunks_of(sizes.key_heads)) {
    const std::int64_t elements = 2 * sizes.batch * heads.size() * shard.global_length() * sizes.head_width;
    const std::int64_t gathered = all_gather_volume(elements * sizes.element(), shard.parts());
    t.forward_bytes += gathered;
    t.backward_bytes += gathered + reduce_scatter_volume(elements * sizes.sum_element(), shard.parts());
    t.forward_messages += 1;
    t.backward_messages += 2;
  }
  return t;
}

}  // namespace longspan
