"""Times training steps of the model in a file that longspan-bench step wrote, and compares the first loss and gradients with
it. Prints one line of JSON."""

import argparse
import json
import statistics
import time

import torch
from safetensors.torch import load_file

from measure import peak_resident_bytes, relative_difference
from model import Model, Shape


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tensors")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true", help="products under autocast, weights in float32")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    loaded = {name: value.float() if value.dtype == torch.bfloat16 else value
              for name, value in load_file(arguments.tensors).items()}
    tokens, targets = loaded.pop("tokens").long(), loaded.pop("targets").long()
    loss_there = loaded.pop("loss").item()
    weights = {name: value for name, value in loaded.items() if "d" + name in loaded}
    model = Model(shape_of(weights, arguments.heads, tokens.shape[1]))
    model.load_state_dict(weights)
    step = torch.compile(model, dynamic=False) if arguments.compile else model
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.95), eps=1e-8, fused=True)
    difference, seconds = None, []
    for _ in range(arguments.warmup + arguments.steps):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bfloat16):
            loss = step(tokens, targets)
        loss.backward()
        if difference is None:
            difference = {"loss": abs(loss.item() - loss_there) / loss_there,
                          "gradient": whole_difference(model, loaded)}
            loaded = weights = None
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"seconds": statistics.median(seconds[arguments.warmup:]), "difference": difference,
                      "peak_resident": peak_resident_bytes()}))


def shape_of(weights, heads, length):
    vocabulary, width = weights["embedding.weight"].shape
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    return Shape(layers, width, heads, vocabulary, length, len(weights["blocks.0.feed_forward.up.weight"]),
                 "positions.weight" not in weights)


def whole_difference(model, loaded):
    """Over all gradients as one vector."""
    ours = torch.cat([p.grad.flatten() for _, p in model.named_parameters()])
    return relative_difference(ours, torch.cat([loaded["d" + name].flatten() for name, _ in model.named_parameters()]))


if __name__ == "__main__":
    main()
