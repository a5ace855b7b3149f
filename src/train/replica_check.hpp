// Whether ranks that must hold the same parameters do: a bit that memory or network turned would make the copies drift
// apart unseen.
#pragma once

#include <cstdint>

#include "comm/mesh.hpp"
#include "nn/parameter.hpp"

namespace longspan {

// Compares checksums of every parameter over the data and sequence ranks that hold the same part of it, over the tensor
// ranks where they all hold it whole, and over the two ends of a tied embedding. EnvironmentError on every rank, naming
// parameter and ranks, where copies differ. With ZeRO stage 3 nobody holds another's values: nothing is compared.
// Collective; one message of 8 bytes a parameter and group.
void check_replicas(const Mesh& mesh, const ParameterStore& store, std::int64_t step);

}  // namespace longspan
