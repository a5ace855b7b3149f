// The commands of longspan-bench, one file each.
#pragma once

#include "comm/comm.hpp"
#include "config/options.hpp"

namespace longspan {

int bench_step(int argc, char** argv, const Comm& world);
int bench_sequence(int argc, char** argv, const Comm& world);
int bench_capacity(int argc, char** argv, const Comm& world);
int bench_checkpoint(int argc, char** argv, const Comm& world);
int bench_environment(int argc, char** argv, const Comm& world);
int bench_kernel(int argc, char** argv, const Comm& world);

// True where help or the version was asked for, and given.
bool answered(const Options& options, Options::Action action, const Comm& world);

}  // namespace longspan
