"""GPT-2 and Llama shapes in PyTorch, with Longspan's parameter names, so that its safetensors files load as they are."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    layers: int
    width: int
    heads: int
    vocabulary: int
    length: int
    feed_forward: int
    llama: bool


class Attention(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        bias = not s.llama
        self.heads, self.rotary = s.heads, s.llama
        self.query, self.key, self.value, self.output = (nn.Linear(s.width, s.width, bias=bias) for _ in range(4))

    def forward(self, x, table):
        b, t, d = x.shape
        q, k, v = (project(x).view(b, t, self.heads, -1).transpose(1, 2) for project in (self.query, self.key, self.value))
        if self.rotary:
            q, k = rotate(q, *table), rotate(k, *table)
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(o.transpose(1, 2).reshape(b, t, d))


def rotary_table(length, width, base=10000.0):
    angles = torch.arange(length).float()[:, None] * base ** (-torch.arange(0, width, 2).float() / width)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Pairs of columns (i, i + K/2) by an angle a position, as in Llama."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class FeedForward(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.up = nn.Linear(s.width, s.feed_forward, bias=not s.llama)
        self.gate = nn.Linear(s.width, s.feed_forward, bias=False) if s.llama else None
        self.down = nn.Linear(s.feed_forward, s.width, bias=not s.llama)

    def forward(self, x):
        if self.gate is not None:
            return self.down(F.silu(self.gate(x)) * self.up(x))
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        norm = (lambda: nn.RMSNorm(s.width, 1e-5)) if s.llama else (lambda: nn.LayerNorm(s.width, 1e-5))
        self.mixer_norm, self.feed_forward_norm = norm(), norm()
        self.attention, self.feed_forward = Attention(s), FeedForward(s)

    def forward(self, x, table):
        x = x + self.attention(self.mixer_norm(x), table)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Model(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.embedding = nn.Embedding(s.vocabulary, s.width)
        self.positions = None if s.llama else nn.Embedding(s.length, s.width)
        self.blocks = nn.ModuleList(Block(s) for _ in range(s.layers))
        self.final_norm = nn.RMSNorm(s.width, 1e-5) if s.llama else nn.LayerNorm(s.width, 1e-5)
        self.table = rotary_table(s.length, s.width // s.heads) if s.llama else None

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions.weight
        for block in self.blocks:
            x = block(x, self.table)
        logits = F.linear(self.final_norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1)
