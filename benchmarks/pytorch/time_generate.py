"""Continues a prompt greedily with a checkpoint's model, keys and values kept from token to token. Prints one line of JSON."""

import argparse
import json
import time

import h5py
import torch
import torch.nn.functional as F

from measure import peak_resident_bytes
from model import Model, Shape, rotate


END_OF_DOCUMENT = 256  # of the byte tokenizer


class Cache:
    """Keys and values of all layers, [B, H, T, K] each, of which `length` positions are filled."""

    def __init__(self, model, length):
        attention = model.blocks[0].attention
        shape = 1, attention.heads, length, attention.query.weight.shape[0] // attention.heads
        self.keys = [torch.zeros(shape) for _ in model.blocks]
        self.values = [torch.zeros(shape) for _ in model.blocks]
        self.length = 0


def attend(attention, x, table, keys, values, before):
    b, t, d = x.shape
    q, k, v = (project(x).view(b, t, attention.heads, -1).transpose(1, 2)
               for project in (attention.query, attention.key, attention.value))
    cos, sin = (part[before:before + t] for part in table)
    keys[:, :, before:before + t] = rotate(k, cos, sin)
    values[:, :, before:before + t] = v
    o = F.scaled_dot_product_attention(rotate(q, cos, sin), keys[:, :, :before + t], values[:, :, :before + t],
                                       is_causal=t > 1)
    return attention.output(o.transpose(1, 2).reshape(b, t, d))


def next_token(model, tokens, cache):
    x = model.embedding(tokens)
    for block, keys, values in zip(model.blocks, cache.keys, cache.values):
        x = x + attend(block.attention, block.mixer_norm(x), model.table, keys, values, cache.length)
        x = x + block.feed_forward(block.feed_forward_norm(x))
    cache.length += tokens.shape[1]
    return F.linear(model.final_norm(x[:, -1:]), model.embedding.weight).argmax(-1)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with h5py.File(arguments.checkpoint) as file:
        weights = {name: torch.from_numpy(values[:]) for name, values in file["model"].items()}
    prompt = torch.tensor([[END_OF_DOCUMENT, *arguments.prompt.encode()]])  # a document starts after the end of another
    length = prompt.shape[1] + arguments.tokens
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    vocabulary, width = weights["embedding.weight"].shape
    model = Model(Shape(layers, width, arguments.heads, vocabulary, length,
                        len(weights["blocks.0.feed_forward.up.weight"]), True))
    model.load_state_dict(weights)
    step = torch.compile(next_token, dynamic=True) if arguments.compile else next_token
    for _ in range(2):  # the first time compiles
        cache, tokens, begin = Cache(model, length), [], None
        token = step(model, prompt, cache)
        begin = time.perf_counter()
        while len(tokens) + 1 < arguments.tokens:
            tokens.append(token.item())
            token = step(model, token, cache)
        tokens.append(token.item())
        seconds = time.perf_counter() - begin
    print(json.dumps({"seconds_per_token": seconds / (arguments.tokens - 1), "peak_resident": peak_resident_bytes(),
                      "text": bytes(t for t in tokens if t < 256).decode(errors="replace")}))


if __name__ == "__main__":
    main()
