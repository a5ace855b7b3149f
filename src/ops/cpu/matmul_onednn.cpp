// oneDNN makes (just-in-time compiles) one primitive for each set of sizes, strides and fused steps. They are kept here
// with their memory objects, so that a call in a steady state sets three pointers and runs.
#include <array>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "base/error.hpp"
#include "ops/cpu/matmul_onednn.hpp"
#include "tensor/shape_only.hpp"

namespace longspan::ops::detail {
namespace {

using dnnl::memory;

// Compiled at its first execution: shape-only execution asks for the size of the workspace alone.
struct Product {
  dnnl::matmul::primitive_desc description;
  dnnl::matmul primitive;
  memory a, b, c, bias, scratch;
  std::size_t scratch_bytes = 0;
};

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
const dnnl::stream& cpu_stream() {
  static const dnnl::stream stream(cpu_engine());
  return stream;
}

memory::data_type data_type(Dtype dtype) {
  return dtype == Dtype::bfloat16 ? memory::data_type::bf16 : memory::data_type::f32;
}

// [batch, rows, cols] of the matrix as the product uses it. A batch stride of 0 is one matrix used by the whole batch.
memory::desc describe(const MatrixRef& m, std::int64_t rows, std::int64_t cols, std::int64_t batch) {
  const memory::dims strides =
      m.transposed ? memory::dims{m.batch_stride, 1, m.leading} : memory::dims{m.batch_stride, m.leading, 1};
  if (batch == 1 || m.batch_stride == 0) {
    const std::int64_t whole = m.rows * m.leading;
    return {{1, rows, cols}, data_type(m.dtype), {whole, strides[1], strides[2]}};
  }
  return {{batch, rows, cols}, data_type(m.dtype), strides};
}

dnnl::primitive_attr fused_steps(const MatmulOptions& options) {
  dnnl::post_ops steps;
  if (options.accumulate) steps.append_sum(1.0f);
  if (options.activation == Activation::gelu) steps.append_eltwise(dnnl::algorithm::eltwise_gelu_tanh, 0, 0);
  if (options.activation == Activation::silu) steps.append_eltwise(dnnl::algorithm::eltwise_swish, 1, 0);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(steps);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

Product make_product(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                     const MatmulOptions& options) {
  const auto da = describe(a, size.m, size.k, options.batch), db = describe(b, size.k, size.n, options.batch),
             dc = describe(c, size.m, size.n, options.batch);
  memory::desc dbias;
  if (options.bias) dbias = {{1, 1, size.n}, data_type(a.dtype), memory::format_tag::abc};
  try {
    Product p;
    p.description = dnnl::matmul::primitive_desc(cpu_engine(), da, db, dbias, dc, fused_steps(options));
    p.a = memory(da, cpu_engine(), nullptr);
    p.b = memory(db, cpu_engine(), nullptr);
    p.c = memory(dc, cpu_engine(), nullptr);
    if (options.bias) p.bias = memory(dbias, cpu_engine(), nullptr);
    p.scratch = memory(p.description.scratchpad_desc(), cpu_engine(), nullptr);
    p.scratch_bytes = p.description.scratchpad_desc().get_size();
    return p;
  } catch (const dnnl::error& e) {
    throw EnvironmentError("this processor has no {} matrix product in oneDNN ({}); use run.dtype = float32",
                           to_string(a.dtype), e.what());
  }
}

Product& find_product(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                      const MatmulOptions& options) {
  static std::unordered_map<ProductKey, Product, ProductKeyHash> products;
  const ProductKey key(size, a, b, c, options);
  const auto found = products.find(key);
  if (found != products.end()) return found->second;
  if (products.size() >= kProductsKept) products.clear();
  return products.emplace(key, make_product(size, a, b, c, options)).first->second;
}

// The transpose of one column of a wider matrix. oneDNN (3.7) reads such a row as if its elements were neighbours, so
// it is given a copy in which they are.
bool is_spread_row(const MatrixRef& a) { return a.transposed && a.cols == 1 && a.leading > 1; }
MatrixRef gather_row(const MatrixRef& a, std::int64_t batch, const Tensor& room) {
  MatrixRef row = a;
  row.data = room.raw();
  row.leading = 1;
  row.batch_stride = a.batch_stride == 0 ? 0 : a.rows;
  if (shape_only()) return row;
  const std::size_t bytes = size_of(a.dtype);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t r = 0; r < a.rows; ++r) {
      std::memcpy(
          static_cast<char*>(row.data) + static_cast<std::size_t>(b * row.batch_stride + r) * bytes,
          static_cast<const char*>(a.data) + static_cast<std::size_t>(b * a.batch_stride + r * a.leading) * bytes,
          bytes);
    }
  }
  return row;
}

}  // namespace

void multiply_by_onednn(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                        const MatmulOptions& options) {
  if (is_spread_row(a)) {
    const Tensor room = Tensor::empty({options.batch, a.rows}, a.dtype, Memory::workspace, "matmul row");
    return multiply_by_onednn(size, gather_row(a, options.batch, room), b, c, options);
  }
  Product& p = find_product(size, a, b, c, options);
  const ProductWorkspace workspace(p.scratch_bytes);
  if (shape_only()) return;
  if (!p.primitive) p.primitive = dnnl::matmul(p.description);
  p.a.set_data_handle(a.data);
  p.b.set_data_handle(b.data);
  p.c.set_data_handle(c.data);
  std::array<dnnl_exec_arg_t, 5> arguments = {{{DNNL_ARG_SRC, p.a.get()},
                                               {DNNL_ARG_WEIGHTS, p.b.get()},
                                               {DNNL_ARG_DST, p.c.get()},
                                               {DNNL_ARG_SCRATCHPAD, p.scratch.get()}}};
  int count = 4;
  if (options.bias) {
    p.bias.set_data_handle(options.bias->raw());
    arguments[count++] = {DNNL_ARG_BIAS, p.bias.get()};
  }
  p.scratch.set_data_handle(workspace.data());
  // The C call takes an array; the C++ one would build a map each time.
  const dnnl_status_t status = dnnl_primitive_execute(p.primitive.get(), cpu_stream().get(), count, arguments.data());
  LONGSPAN_CHECK(status == dnnl_success, "[matmul] oneDNN failed with status {}", static_cast<int>(status));
}

}  // namespace longspan::ops::detail
