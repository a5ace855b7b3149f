// Starts and ends MPI and the device, in the right order, and turns exceptions into one sentence and an exit code on
// all ranks. Every program is:
//   int main(int argc, char** argv) { return longspan::run_program(argc, argv, [](const Comm& world, ...) {...}); }
#pragma once

#include <functional>
#include <memory>

#include "comm/comm.hpp"

namespace longspan {

// Runs `body` on every rank and returns the process' exit code.
// An exception that all ranks raise is printed once, by rank 0; an exception that only some raise is printed by them,
// with their rank, and ends the other ranks too (MPI_Abort) instead of leaving them in a collective.
int run_program(int argc, char** argv, const std::function<int(const Comm& world)>& body);

// Where ranks share cores: true on as many ranks of each machine as it has cores, so that these may measure it without
// being in each other's way. True on every rank that has a core of its own.
bool one_of_the_cores();

}  // namespace longspan
