"""Longspan from the checkout that this recipe stands in: `longspan@main` is its last commit, and `Spack.yaml` builds
the working tree itself."""

import pathlib

from spack_repo.builtin.build_systems.cmake import CMakePackage, generator
from spack_repo.builtin.build_systems.cuda import CudaPackage
from spack_repo.builtin.build_systems.python import PythonPipBuilder
from spack_repo.builtin.build_systems.rocm import ROCmPackage

from spack.package import *

CHECKOUT = pathlib.Path(__file__).resolve().parents[4]


class Longspan(CMakePackage, CudaPackage, ROCmPackage):
    """Trains long-context sequence models on clusters: a mesh of data, tensor, pipeline and sequence ranks that
    provably equals one rank."""

    git = CHECKOUT.as_uri()

    version("main", branch="main")

    variant("tests", default=False, description="Builds the tests too, for spack install --test=root")
    variant("analysis", default=True, description="Installs the Python package that reads and draws runs")

    variant("nccl", default=False, when="+cuda", description="Sums and gathers between GPUs by NCCL instead of MPI")
    variant("gpu_aware_mpi", default=False, description="MPI takes device pointers")
    conflicts("+cuda", when="+rocm", msg="a build is for the GPUs of one maker")
    conflicts("+gpu_aware_mpi", when="~cuda ~rocm", msg="without GPUs there are no device pointers")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    generator("ninja")

    # The device is Kokkos'; docs/gpu.md says what was tried.
    depends_on("kokkos@4.6: +openmp ~sycl cxxstd=20")
    depends_on("kokkos ~cuda ~rocm", when="~cuda ~rocm")
    for arch in CudaPackage.cuda_arch_values:
        depends_on(f"kokkos +cuda cuda_arch={arch}", when=f"+cuda cuda_arch={arch}")
        depends_on(f"nccl +cuda cuda_arch={arch}", when=f"+nccl cuda_arch={arch}")
    for target in ROCmPackage.amdgpu_targets:
        depends_on(f"kokkos +rocm amdgpu_target={target}", when=f"+rocm amdgpu_target={target}")
    depends_on("kokkos@4.7:", when="+cuda ^cuda@13:")
    depends_on("hipblas@6:", when="+rocm")
    depends_on("mpi@3.1:")
    depends_on("hdf5@1.12: +mpi")
    depends_on("boost@1.74: +program_options")
    depends_on("onednn@3: cpu_runtime=omp", when="~cuda ~rocm")
    depends_on("openblas threads=openmp", when="~cuda ~rocm")
    depends_on("sentencepiece")
    depends_on("xxhash")
    depends_on("nlohmann-json")

    with when("+tests"):
        depends_on("googletest@1.12: +gmock")
        depends_on("python", type="build")
        depends_on("py-h5py", type="build")

    with when("+analysis"):
        extends("python")
        depends_on("py-pip", type="build")
        depends_on("py-setuptools", type="build")
        depends_on("py-h5py", type="run")
        depends_on("py-numpy", type="run")
        depends_on("py-pandas ~performance", type="run")
        depends_on("py-matplotlib", type="run")

    def cmake_args(self):
        args = [
            self.define_from_variant("LONGSPAN_TESTS", "tests"),
            self.define_from_variant("LONGSPAN_NCCL", "nccl"),
            self.define_from_variant("LONGSPAN_GPU_AWARE_MPI", "gpu_aware_mpi"),
            self.define("LONGSPAN_NATIVE_ARCH", False),  # Spack's compiler wrapper names the target
        ]
        if self.spec.satisfies("+cuda"):
            args.append(self.define("LONGSPAN_DEVICE", "CUDA"))
        if self.spec.satisfies("+rocm"):
            args.append(self.define("LONGSPAN_DEVICE", "HIP"))
            args.append(self.define("CMAKE_CXX_COMPILER", self.spec["hip"].hipcc))
        return args

    @run_after("install", when="+analysis")
    def install_analysis(self):
        with working_dir(pathlib.Path(self.stage.source_path) / "analysis"):
            python("-m", "pip", *PythonPipBuilder.std_args(self), f"--prefix={self.prefix}", ".")

    def test_train(self):
        """two steps of a tiny model on made-up sequences"""
        train = which(self.prefix.bin.join("longspan-train"))
        out = train("--data.task", "copy", "--model.layers", "1", "--model.width", "32", "--model.heads", "2",
                    "--data.sequence_length", "64", "--run.steps", "2", output=str.split, error=str.split)
        check_outputs([r"step 2/2", r"done +2 steps"], out)
