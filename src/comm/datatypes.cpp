#include "comm/datatypes.hpp"

#include <cmath>
#include <type_traits>

#include "comm/mpi_check.hpp"

namespace longspan {
namespace {

template <class T>
using Arithmetic = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <Reduce op, class T>
T fold(T a, T b) {
  if (op == Reduce::sum) return a + b;
  if (std::isnan(a) || std::isnan(b)) return a + b;
  return (op == Reduce::max) == (a < b) ? b : a;
}

// The form that MPI_Op_create asks for: later[i] = earlier[i] op later[i].
template <Reduce op, class T>
void fold_all(void* earlier, void* later, int* count, MPI_Datatype*) {
  const T* a = static_cast<const T*>(earlier);
  T* b = static_cast<T*>(later);
  for (int i = 0; i < *count; ++i) {
    b[i] = T(fold<op>(static_cast<Arithmetic<T>>(a[i]), static_cast<Arithmetic<T>>(b[i])));
  }
}

template <Reduce op, class T>
MPI_Op made_op() {
  static const MPI_Op made = [] {
    MPI_Op handle = MPI_OP_NULL;
    check_mpi(MPI_Op_create(&fold_all<op, T>, 1, &handle), "making a reduction", "self");
    return handle;
  }();
  return made;
}

template <class T>
MPI_Op float_op(Reduce op) {
  switch (op) {
    case Reduce::sum:
      return std::is_same_v<T, bfloat16> ? made_op<Reduce::sum, T>() : MPI_SUM;
    case Reduce::max:
      return made_op<Reduce::max, T>();
    case Reduce::min:
      return made_op<Reduce::min, T>();
  }
  return MPI_OP_NULL;
}

MPI_Datatype bfloat16_type() {
  static const MPI_Datatype made = [] {
    MPI_Datatype type = MPI_DATATYPE_NULL;
    check_mpi(MPI_Type_contiguous(2, MPI_BYTE, &type), "making the type bfloat16", "self");
    check_mpi(MPI_Type_commit(&type), "making the type bfloat16", "self");
    return type;
  }();
  return made;
}

}  // namespace

MPI_Datatype mpi_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return MPI_DOUBLE;
    case Dtype::float32:
      return MPI_FLOAT;
    case Dtype::bfloat16:
      return bfloat16_type();
    case Dtype::int32:
      return MPI_INT32_T;
    case Dtype::int64:
      return MPI_INT64_T;
  }
  return MPI_DATATYPE_NULL;
}

MPI_Op mpi_op(Reduce op, Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return float_op<double>(op);
    case Dtype::float32:
      return float_op<float>(op);
    case Dtype::bfloat16:
      return float_op<bfloat16>(op);
    default:
      return op == Reduce::sum ? MPI_SUM : op == Reduce::max ? MPI_MAX : MPI_MIN;
  }
}

bool own_op(Reduce op, Dtype dtype) { return !is_integer(dtype) && (dtype == Dtype::bfloat16 || op != Reduce::sum); }

}  // namespace longspan
