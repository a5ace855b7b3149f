// The ranks that this test runs on: one without mpirun. Tests are written for any number of them; every rank runs every
// test, and none may leave a test before a collective that the others wait in (use EXPECT, not ASSERT, around those).
#pragma once

#include "comm/comm.hpp"

namespace longspan {

const Comm& world();

}  // namespace longspan
