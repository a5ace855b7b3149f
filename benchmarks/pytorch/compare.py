#!/usr/bin/env python3
"""Longspan beside PyTorch on this machine: same shapes, dtype, threads, weights and data, one process after the other in
the order A B C C B A, medians and ratios (sequences above 8192 tokens once, A B C). A ratio counts only where results and gradients agree.

  compare.py kernels --threads 1 --output kernels.h5
  compare.py steps --threads 2 --output steps.h5
  compare.py generation --output generation.h5
  compare.py scaling --output scaling.h5

Needs PyTorch (benchmarks/pytorch/requirements.txt) and the built programs. Look at the results with
analysis/longspan-plot."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Of a float32 comparison (the norm of the difference over the norm): another order of sums. bfloat16 keeps eight bits.
TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-2}
LOSS_TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-3}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=["kernels", "steps", "generation", "scaling"])
    parser.add_argument("--output", required=True, help="HDF5 file of the results")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each process; the median counts")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--programs", type=Path, default=ROOT / "build/apps", help="folder of the built programs")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds after which a process counts as failed")
    arguments = parser.parse_args()
    suites = {"kernels": compare_kernels, "steps": compare_steps, "generation": compare_generation,
              "scaling": measure_scaling}
    rows = []
    for row in suites[arguments.suite](arguments):
        rows.append(row)
        write(arguments.output, rows, arguments)  # what there is so far survives a break
    if not rows:
        sys.exit(f"no case of {arguments.suite} contains '{arguments.only}'")
    print(f"wrote {arguments.output}")


# Running ------------------------------------------------------------------------------------------------------------

def run(words, threads, timeout):
    """Output of a process, or why there is none."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run([str(w) for w in words], env=environment, text=True, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {timeout} s"
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return None, said[-1] if said else f"exit status {done.returncode}"
    return done.stdout, ""


def longspan(arguments, words, threads, ranks=1):
    prefix = [ROOT / "container/run"]
    if ranks > 1:
        prefix += ["mpirun", "--oversubscribe", "-n", ranks]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.h5"
        out, why = run([*prefix, arguments.programs / "longspan-bench", *words, "--bench.output", table], threads,
                       arguments.timeout)
        if out is None:
            return {"failed": why}
        with h5py.File(table) as file:
            return {name: column[0] for name, column in file["results"].items()}


def pytorch(arguments, script, words, compiled):
    out, why = run([sys.executable, HERE / script, *words, "--threads", arguments.threads,
                    *(["--compile"] if compiled else [])], arguments.threads, arguments.timeout)
    return {"failed": why} if out is None else json.loads(out.splitlines()[-1])


def alternate(ours, eager, compiled, once=False):
    """Results of two processes each, or of one where they take long."""
    results = {"longspan": [ours()], "eager": [eager()], "compiled": [compiled()]}
    if once:
        return results
    for name, again in [("compiled", compiled), ("eager", eager), ("longspan", ours)]:
        if "failed" not in results[name][0]:
            results[name].append(again())
    return results


def middle(results, name):
    """Median over the processes; NaN where one failed."""
    return statistics.median(r[name] for r in results) if all(name in r for r in results) else float("nan")


# Kernels ------------------------------------------------------------------------------------------------------------

def kernel_cases():
    """(kernel, dtype, batch, length, heads, width)"""
    for dtype in ("float32", "bfloat16"):
        yield "linear_gelu", dtype, 1, 1024, 12, 64
        yield "layer_norm", dtype, 1, 16384, 12, 64
        yield "rms_norm", dtype, 1, 16384, 12, 64
        yield "gelu", dtype, 1, 16384, 12, 64
        for width, lengths in [(64, (1024, 8192, 32768)), (128, (8192,))]:
            for length in lengths:
                yield "attention", dtype, 1, length, 1 if length > 8192 else 4, width
        yield "cross_entropy", dtype, 1, 2048, 12, 64
    yield "adamw", "float32", 1, 16384, 12, 64
    for mixer in ("linear_attention", "retnet", "gla", "deltanet", "gated_deltanet"):
        yield mixer, "float32", 1, 4096, 4, 64
    yield "selective_scan", "float32", 1, 4096, 4, 64
    yield "lstm", "float32", 1, 1024, 1, 512


def compare_kernels(arguments):
    for kernel, dtype, batch, length, heads, width in kernel_cases():
        name = f"{kernel} {dtype} T={length} H={heads} K={width}"
        if arguments.only not in name:
            continue
        repeats = min(arguments.repeats, 2) if length > 16384 else arguments.repeats
        words = ["kernel", "--bench.kernels", kernel, "--bench.dtype", dtype, "--bench.batch", batch,
                 "--bench.length", length, "--bench.heads", heads, "--bench.width", width, "--bench.repeats", repeats]
        with tempfile.TemporaryDirectory() as folder:
            tensors = Path(folder) / "tensors.safetensors"
            peer_words = [kernel, tensors, "--heads", heads, "--repeats", repeats]
            results = alternate(
                lambda: longspan(arguments, [*words, "--bench.tensors", tensors], arguments.threads),
                lambda: pytorch(arguments, "time_kernel.py", peer_words, False),
                lambda: pytorch(arguments, "time_kernel.py", peer_words, True))
        row = {"case": name, "kernel": kernel, "dtype": dtype, "threads": arguments.threads, "length": length,
               "heads": heads, "width": width}
        for part in ("forward", "backward"):
            for who in ("longspan", "eager", "compiled"):
                row[f"{part}_{who}"] = middle(results[who], part)
            row[f"{part}_ratio"] = best_peer(row, part) / row[f"{part}_longspan"] if row[f"{part}_longspan"] else float("nan")
            row[f"{part}_reached"] = middle(results["longspan"], f"{part}_reached")
        if kernel == "cross_entropy":  # whose loss and gradients are made together
            whole = {who: row[f"forward_{who}"] + row[f"backward_{who}"] for who in results}
            row["forward_ratio"] = float("nan")
            row["backward_ratio"] = np.nanmin([whole["eager"], whole["compiled"]]) / whole["longspan"]
        row["matrix_rate"], row["copy_rate"] = middle(results["longspan"], "matrix_rate"), middle(results["longspan"], "copy_rate")
        row["difference"] = max((d for r in results["eager"] if "difference" in r for d in r["difference"].values()),
                                default=float("nan"))
        row["agrees"] = int(row["difference"] <= TOLERANCE[dtype])
        row["failed"] = "; ".join(f"{who}: {r['failed']}" for who in results for r in results[who] if "failed" in r)
        print(f"{name:44s} forward {row['forward_ratio']:5.2f} x, backward {row['backward_ratio']:5.2f} x PyTorch's best; "
              f"{100 * row['forward_reached']:.0f} and {100 * row['backward_reached']:.0f} % of the floor; "
              f"difference {row['difference']:.1e}{'' if row['agrees'] else ' VOID'} {row['failed']}", flush=True)
        yield row


def best_peer(row, part):
    return np.nanmin([row[f"{part}_eager"], row[f"{part}_compiled"]])


# Whole steps --------------------------------------------------------------------------------------------------------

GPT2 = ["--model.layers", 12, "--model.width", 768, "--model.heads", 12, "--model.norm", "layer", "--model.activation",
        "gelu", "--model.positions", "learned", "--model.bias", "true", "--task.vocabulary", 50304]
SMALL = ["--model.layers", 6, "--model.width", 512, "--model.heads", 8, "--model.norm", "rms", "--model.activation",
         "swiglu", "--model.positions", "rotary", "--model.bias", "false", "--task.vocabulary", 12000]


def step_cases():
    """(name, model, heads, batch, length, what Longspan recomputes, steps of warm-up, timed steps); the last one takes
    half an hour or more."""
    yield "gpt2-124m", GPT2, 12, 1, 1024, "none", 1, 3
    yield "llama-25m", SMALL, 8, 4, 1024, "none", 1, 3
    yield "llama-25m", SMALL, 8, 1, 4096, "none", 1, 3
    yield "llama-25m", SMALL, 8, 1, 16384, "none", 1, 1
    yield "llama-25m", SMALL, 8, 1, 16384, "linear", 1, 1
    yield "llama-25m", SMALL, 8, 1, 65536, "linear", 0, 1


def compare_steps(arguments):
    for name, model, heads, batch, length, recompute, warmup, steps in step_cases():
        for dtype in ("float32", "bfloat16"):
            case = f"{name} {dtype} T={length} B={batch} recompute={recompute}"
            if arguments.only not in case:
                continue
            words = ["step", *model, "--run.dtype", dtype, "--data.task", "noise", "--data.sequence_length", length,
                     "--data.batch", batch, "--parallel.recompute", recompute, "--bench.steps", steps, "--bench.warmup", warmup]
            with tempfile.TemporaryDirectory() as folder:
                tensors = Path(folder) / "step.safetensors"
                peer_words = [tensors, "--heads", heads, "--steps", steps, "--warmup", warmup,
                              *(["--bfloat16"] if dtype == "bfloat16" else [])]
                results = alternate(lambda: longspan(arguments, [*words, "--bench.tensors", tensors], arguments.threads),
                                    lambda: pytorch(arguments, "time_step.py", peer_words, False),
                                    lambda: pytorch(arguments, "time_step.py", peer_words, True), once=length > 8192)
            row = {"case": case, "model": name, "dtype": dtype, "threads": arguments.threads, "batch": batch,
                   "length": length, "recompute": recompute}
            for who in results:
                row[f"seconds_{who}"] = middle(results[who], "seconds")
                row[f"peak_resident_{who}"] = middle(results[who], "peak_resident")
            row["ratio"] = np.nanmin([row["seconds_eager"], row["seconds_compiled"]]) / row["seconds_longspan"]
            row["memory_ratio"] = row["peak_resident_longspan"] / np.nanmin(
                [row["peak_resident_eager"], row["peak_resident_compiled"]])
            row["matrix_share"] = middle(results["longspan"], "ratio")
            found = [r["difference"] for r in results["eager"] if "difference" in r]
            row["loss_difference"] = max((d["loss"] for d in found), default=float("nan"))
            row["gradient_difference"] = max((d["gradient"] for d in found), default=float("nan"))
            row["agrees"] = int(row["loss_difference"] <= LOSS_TOLERANCE[dtype] and
                                row["gradient_difference"] <= TOLERANCE[dtype])
            row["failed"] = "; ".join(f"{who}: {r['failed']}" for who in results for r in results[who] if "failed" in r)
            print(f"{case:52s} {row['seconds_longspan']:.3f} s against {row['seconds_eager']:.3f} eager and "
                  f"{row['seconds_compiled']:.3f} compiled: {row['ratio']:.2f} x; memory {row['memory_ratio']:.2f} x; "
                  f"loss {row['loss_difference']:.1e}, gradient {row['gradient_difference']:.1e} apart"
                  f"{'' if row['agrees'] else ' VOID'} {row['failed']}", flush=True)
            yield row


# Generation ---------------------------------------------------------------------------------------------------------

PROMPT = "The sequence axis "


def compare_generation(arguments):
    """Greedy text of a 19M byte model, token by token: what 512 tokens take longer than 1."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = train_small(arguments, folder)

        def ours():
            seconds, said = {}, ""
            for tokens in (1, 513):
                begin = time.perf_counter()
                out, why = run([ROOT / "container/run", arguments.programs / "longspan-generate", checkpoint,
                                "--generate.prompt", PROMPT, "--generate.temperature", 0, "--generate.tokens", tokens],
                               arguments.threads, arguments.timeout)
                seconds[tokens] = time.perf_counter() - begin
                if out is None:
                    return {"failed": why}
                said = out
            return {"seconds_per_token": (seconds[513] - seconds[1]) / 512, "text": said[len(PROMPT):]}

        words = [checkpoint, "--heads", 8, "--prompt", PROMPT, "--tokens", 513]
        results = alternate(ours, lambda: pytorch(arguments, "time_generate.py", words, False),
                            lambda: pytorch(arguments, "time_generate.py", words, True))
    row = {"case": "generation of 512 tokens, 19M parameters", "threads": arguments.threads}
    for who in results:
        row[f"seconds_per_token_{who}"] = middle(results[who], "seconds_per_token")
    row["ratio"] = np.nanmin([row["seconds_per_token_eager"], row["seconds_per_token_compiled"]]) / row["seconds_per_token_longspan"]
    texts = {r.get("text", "").rstrip("\n") for who in ("longspan", "eager") for r in results[who]}
    row["agrees"] = int(len(texts) == 1)
    row["failed"] = "; ".join(f"{who}: {r['failed']}" for who in results for r in results[who] if "failed" in r)
    print(f"{row['case']}: {1e3 * row['seconds_per_token_longspan']:.2f} ms a token against "
          f"{1e3 * row['seconds_per_token_eager']:.2f} eager and {1e3 * row['seconds_per_token_compiled']:.2f} compiled: "
          f"{row['ratio']:.2f} x{'' if row['agrees'] else ' VOID: the texts differ'} {row['failed']}", flush=True)
    yield row


def train_small(arguments, folder):
    """A checkpoint that has seen a little text, so that its likeliest tokens are clear."""
    corpus = Path(folder) / "text.h5"
    for words in (["longspan-prepare", "--prepare.input", ROOT / "docs", "--prepare.extensions", ".md", "--prepare.output", corpus],
                  ["longspan-train", *SMALL[:-2], "--data.corpus", corpus, "--data.sequence_length", 64, "--data.batch", 8,
                   "--run.steps", 200, "--optimizer.warmup", 10, "--optimizer.learning_rate", 0.002, "--run.directory", folder, "--validation.every", 0]):
        out, why = run([ROOT / "container/run", arguments.programs / words[0], *words[1:]], 2, arguments.timeout)
        if out is None:
            sys.exit(f"{words[0]}: {why}")
    return next(Path(folder).glob("default/checkpoints/step_*.h5"))


# Scaling ------------------------------------------------------------------------------------------------------------

def measure_scaling(arguments):
    """Two ranks of one thread, and one rank of two threads, against one rank of one thread on the same batch; and what the
    machine allows: two runs at once that know nothing of each other."""
    model = ["--model.layers", 4, "--model.width", 768, "--model.heads", 12, "--task.vocabulary", 512, "--data.task", "noise",
             "--data.sequence_length", 512, "--data.batch", 16, "--bench.steps", arguments.repeats, "--bench.warmup", 1]
    kinds = {"1 rank, 1 thread": (1, 1, []), "data": (2, 1, ["--parallel.data", 2]),
             "tensor": (2, 1, ["--parallel.tensor", 2]), "sequence": (2, 1, ["--parallel.sequence", 2]),
             "pipeline": (2, 1, ["--parallel.pipeline", 2, "--parallel.microbatches", 16, "--parallel.schedule", "zb-v"]),
             "1 rank, 2 threads": (1, 2, [])}
    def time_step(name):
        ranks, threads, words = kinds[name]
        result = longspan(arguments, ["step", *model, *words], threads, ranks)
        if "failed" in result:
            sys.exit(f"{name}: {result['failed']}")
        return result["seconds"]

    seconds, at_once = {name: [] for name in kinds}, []
    for order in (list(kinds), list(reversed(kinds))):
        for name in order:
            seconds[name].append(time_step(name))
        with ThreadPoolExecutor(2) as both:
            at_once += both.map(time_step, ["1 rank, 1 thread"] * 2)
    alone = statistics.median(seconds["1 rank, 1 thread"])
    kinds["two runs at once"] = (1, 1, [])
    seconds["two runs at once"] = [second / 2 for second in at_once]  # for a batch
    for name, (ranks, threads, _) in kinds.items():
        row = {"case": name, "ranks": ranks, "threads": threads, "seconds_longspan": statistics.median(seconds[name]),
               "ratio": alone / statistics.median(seconds[name])}
        print(f"{name:20s} {row['seconds_longspan']:.3f} s, {row['ratio']:.2f} x one", flush=True)
        yield row


# Results ------------------------------------------------------------------------------------------------------------

UNITS = {"seconds": "s", "forward": "s", "backward": "s", "peak": "byte", "matrix_rate": "FLOP/s", "copy": "byte/s",
         "length": "token"}


def unit_of(column):
    return "1" if column.endswith(("ratio", "reached", "share")) else next(
        (unit for start, unit in UNITS.items() if column.startswith(start)), "1")


def write(path, rows, arguments):
    with h5py.File(path, "w") as file:
        for column in rows[0]:
            values = [row[column] for row in rows]
            data = file.create_dataset(f"results/{column}", data=values,
                                       dtype=h5py.string_dtype() if isinstance(values[0], str) else None)
            data.attrs["unit"] = unit_of(column)
        file.attrs["suite"] = arguments.suite
        file.attrs["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        file.attrs["processor"] = processor()
        file.attrs["pytorch"] = peer_version()
        file.attrs["git_hash"] = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True,
                                                capture_output=True).stdout.strip()


def peer_version():
    out, _ = run([sys.executable, "-c", "import torch; print(torch.__version__)"], 1, 120)
    return (out or "not installed").strip()


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
