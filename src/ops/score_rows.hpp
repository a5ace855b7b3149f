// Attention by complete rows of scores, as Ring Self-Attention computes it (Li et al. 2021): a query row's scores for
// all T keys stand side by side, so that softmax and its backward need nothing from outside the row.
//
// Score rows are tensors [B, H, n, T] for the n local queries. Column j belongs to the key at position[j] (int32 [T]);
// the keys of one block take neighbouring columns from `first` on. Visibility, ALiBi and dropout follow the rules as in
// ops/attention.hpp; only tiles that some query of the tile sees are multiplied.
//   s_ij = q_i . k_j,  p_i = softmax(scale s_i + bias) over the visible keys,  o_i = sum_j p_ij z_ij v_j
//   ds_ij = scale p_ij (z_ij dp_ij - sum_l p_il z_il dp_il)   with dp_ij = do_i . v_j, z = 0 or 1/(1 - rate) of dropout
// p and ds are 0 where a query does not see the key; a query that sees none has rows of zeros.
#pragma once

#include "ops/attention.hpp"

namespace longspan::ops {

// The columns of a block of keys [B, Hk, Tk, K] and the positions of its rows.
struct KeyColumns {
  std::int64_t first = 0;
  std::vector<PositionRun> runs;
};

// rows[i, first + j] = a_i . b_j; a [B, H, n, K], b [B, Hk, Tk, K], rows in the accumulation dtype. Tiles that nobody
// sees are left as they are: softmax_rows and its backward do not read them.
void multiply_to_rows(const AttentionRules& rules, const Tensor& a, const Tensor& b, const KeyColumns& columns,
                      const Tensor& rows);
// out_i += sum_j rows[i, first + j] b_j; rows [B, H, n, T] and b in the model's dtype, out [B, H, n, K] in the
// accumulation dtype.
void add_rows_times_keys(const AttentionRules& rules, const Tensor& rows, const Tensor& b, const KeyColumns& columns,
                         const Tensor& out);
// out_j += sum_i rows[i, first + j] a_i, over the query heads of each key head; out [B, Hk, Tk, K] in the accumulation
// dtype.
void add_rows_times_queries(const AttentionRules& rules, const Tensor& rows, const Tensor& a, const KeyColumns& columns,
                            const Tensor& out);

// p from s, which is overwritten; p in the model's dtype, and may be s where the dtypes agree.
void softmax_rows(const AttentionRules& rules, const Tensor& position, const Tensor& s, const Tensor& p);
// ds from dp; ds in the dtype of p, and may be dp where the dtypes agree.
void softmax_rows_backward(const AttentionRules& rules, const Tensor& position, const Tensor& p, const Tensor& dp,
                           const Tensor& ds);
// pz = p z.
void drop_row_weights(const AttentionRules& rules, const Tensor& position, const Tensor& p, const Tensor& pz);

}  // namespace longspan::ops
