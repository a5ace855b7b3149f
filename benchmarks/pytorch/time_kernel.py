"""Times one kernel in PyTorch on tensors that longspan-bench kernel wrote, and compares results and gradients with those
in the file. Prints one line of JSON."""

import argparse
import json
import statistics
import time

import torch
from safetensors.torch import load_file

import kernels
from measure import peak_resident_bytes, relative_difference


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernel")
    parser.add_argument("tensors")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tensors = load_file(arguments.tensors)
    times = adamw(tensors, arguments) if arguments.kernel == "adamw" else passes(tensors, arguments)
    print(json.dumps(times | {"peak_resident": peak_resident_bytes()}))


def adamw(tensors, arguments):
    step, weight = kernels.adamw(tensors["start"], tensors["gradient"])
    if arguments.compile:
        step = torch.compile(step)
    seconds = []
    for _ in range(arguments.repeats + 1):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    # The file's weights have made as many steps and one more, for the tensors.
    step()
    return {"forward": statistics.median(seconds[1:]), "backward": 0.0,
            "difference": {"weight": relative_difference(weight.detach(), tensors["weight"])}}


def passes(tensors, arguments):
    function = getattr(kernels, arguments.kernel)
    fixed = {"heads": arguments.heads, "size": arguments.chunk} if arguments.kernel in kernels.CHUNKED else {}
    inputs = {name: value for name, value in tensors.items()
              if "d" + name in tensors and name not in ("result", "loss")}
    for value in inputs.values():
        value.requires_grad_()
    rest = {"target": tensors["target"]} if "target" in tensors else {}
    call = torch.compile(function, dynamic=False) if arguments.compile else function
    forward, backward = [], []
    for _ in range(arguments.repeats + (3 if arguments.compile else 1)):
        begin = time.perf_counter()
        result = call(**inputs, **rest, **fixed)
        middle = time.perf_counter()
        gradients = torch.autograd.grad(result, list(inputs.values()), tensors.get("dresult"))
        end = time.perf_counter()
        forward.append(middle - begin)
        backward.append(end - middle)
    difference = {"result": relative_difference(result, tensors["loss" if "loss" in tensors else "result"])}
    for name, gradient in zip(inputs, gradients):
        difference["d" + name] = relative_difference(gradient, tensors["d" + name])
    return {"forward": statistics.median(forward[-arguments.repeats:]),
            "backward": statistics.median(backward[-arguments.repeats:]), "difference": difference}


if __name__ == "__main__":
    main()
