// What the mesh tests share: a small corpus, a small model, and runs of a few steps whose losses and gradients are
// compared with one rank's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "train/session.hpp"
#include "train/training_step.hpp"

namespace longspan::mesh_test {

// What the cases take turns with.
inline const std::vector<std::string> kRecompute = {"none", "selective", "linear", "block", "every:2"};

// Losses of some steps and, after the first, the logical gradients that this rank holds a part of.
struct Outcome {
  std::vector<double> losses, norms, accuracies;
  std::map<std::string, std::vector<double>> gradients;  // of the last step, local parts
  std::map<std::string, Range> owned;                    // which elements of them are there
  std::map<std::string, std::vector<PositionRun>> runs;  // of dimension dims
  std::map<std::string, int> dims;
};

// A token store of pseudo-random documents, some of them shorter than a sequence; written by rank 0. Collective.
std::string make_corpus(const Comm& world);

TrainConfig small_config(const std::string& corpus);

// The same run on a mesh.
TrainConfig with_mesh(TrainConfig config, const MeshShape& shape);

Outcome run_steps(const TrainConfig& config, const MeshShape& shape, const Comm& ranks, int steps);

// The ways across the sequence axis that the heads of a mesh allow.
std::vector<std::string> methods_on(const TrainConfig& config, const MeshShape& shape);

// All meshes of n ranks: every (data, tensor, pipeline, sequence) with this product that the small model allows.
std::vector<MeshShape> factorisations(int n);

// Largest relative deviation from one rank: of losses and norms, and of gradients (relative to each parameter's
// largest entry, or to 1e-6 of the model's largest).
double loss_deviation(const Outcome& mesh, const Outcome& one);
double gradient_deviation(const Outcome& mesh, const Outcome& one);

}  // namespace longspan::mesh_test
