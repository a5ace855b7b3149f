#include "tensor/dtype.hpp"

#include "base/error.hpp"

namespace longspan {

std::size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
    case Dtype::int64:
      return 8;
    case Dtype::float32:
    case Dtype::int32:
      return 4;
    case Dtype::bfloat16:
      return 2;
  }
  LONGSPAN_CHECK(false, "[dtype] unknown dtype {}", static_cast<int>(dtype));
  return 0;
}

bool is_integer(Dtype dtype) { return dtype == Dtype::int32 || dtype == Dtype::int64; }

const char* to_string(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return "float64";
    case Dtype::float32:
      return "float32";
    case Dtype::bfloat16:
      return "bfloat16";
    case Dtype::int32:
      return "int32";
    case Dtype::int64:
      return "int64";
  }
  return "unknown";
}

Dtype parse_float_dtype(const std::string& text, const std::string& key) {
  for (const Dtype d : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    if (text == to_string(d)) return d;
  }
  throw UserError("{} = '{}' is no element type; use float64, float32 or bfloat16", key, text);
}

Dtype accumulation_dtype(Dtype dtype) { return dtype == Dtype::float64 ? Dtype::float64 : Dtype::float32; }

}  // namespace longspan
