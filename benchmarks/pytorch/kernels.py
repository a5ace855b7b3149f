"""The kernels of longspan-bench in PyTorch, as a user of PyTorch would write them. Inputs have the names and shapes of
src/train/kernel_trials.cpp: rows [B, T, H K] unless said otherwise."""

import torch
import torch.nn.functional as F

EPSILON = 1e-5


def linear_gelu(x, weight, bias):
    return F.gelu(F.linear(x, weight, bias), approximate="tanh")


def gelu(x):
    return F.gelu(x, approximate="tanh")


def layer_norm(x, weight, bias):
    return F.layer_norm(x, x.shape[-1:], weight, bias, EPSILON)


def rms_norm(x, weight):
    return F.rms_norm(x, x.shape[-1:], weight, EPSILON)


def attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def cross_entropy(x, weight, target):
    return F.cross_entropy(F.linear(x, weight).flatten(0, 1).float(), target.long())


# Linear recurrences S_t = a_t S_{t-1} + k_t^T w_t, o_t = q_t S_t / sqrt(K) in chunks of C tokens [B, H, N, C, K]: products
# inside each chunk, all chunks at once, and a loop over their states.
def chunks(rows, heads, size):
    b, t, d = rows.shape
    return rows.view(b, t // size, size, heads, d // heads).permute(0, 3, 1, 2, 4)


def rows(o):
    b, h, n, c, k = o.shape
    return o.permute(0, 2, 3, 1, 4).reshape(b, n * c, h * k)


def states(leaving, inflow):
    """State that enters each chunk; leaving: what is left of it after the chunk, inflow: what the chunk adds."""
    state, entering = torch.zeros_like(inflow[:, :, 0]), []
    for n in range(inflow.shape[2]):
        entering.append(state)
        state = leaving[:, :, n] * state + inflow[:, :, n]
    return torch.stack(entering, 2)


def linear_attention(q, k, v, *, heads, size):
    q, k, v = (chunks(x, heads, size) for x in (q, k, v))
    scores = (q @ k.mT).tril()
    inflow = k.mT @ v
    entering = inflow.cumsum(2) - inflow
    return rows((scores @ v + q @ entering) * q.shape[-1] ** -0.5)


def retnet(q, k, v, log_decay, *, heads, size):
    q, k, v = (chunks(x, heads, size) for x in (q, k, v))
    sums = chunks(log_decay, heads, size).cumsum(3)
    scores = (q @ k.mT) * (sums - sums.mT).tril().exp().tril()
    last = sums[:, :, :, -1:]
    entering = states(last.exp(), (k * (last - sums).exp()).mT @ v)
    return rows((scores @ v + (q * sums.exp()) @ entering) * q.shape[-1] ** -0.5)


def gla(q, k, v, log_decay, *, heads, size):
    q, k, v, decay = (chunks(x, heads, size) for x in (q, k, v, log_decay))
    sums = decay.cumsum(3)
    last = sums[:, :, :, -1:]
    grown = q * sums.exp()
    scores = (grown @ (k * (-sums).exp()).mT).tril()
    entering = states(last.exp().mT, (k * (last - sums).exp()).mT @ v)
    return rows((scores @ v + grown @ entering) * q.shape[-1] ** -0.5)


def delta_rule(q, k, v, beta, log_decay, heads, size):
    q, k, v, beta = (chunks(x, heads, size) for x in (q, k, v, beta))
    identity = torch.eye(size, dtype=q.dtype)
    if log_decay is None:
        mask, entered, left = torch.ones_like(identity), 1, k
        ends = torch.ones_like(beta[:, :, :, -1:])
    else:
        sums = chunks(log_decay, heads, size).cumsum(3)
        mask, entered = (sums - sums.mT).tril().exp(), sums.exp()
        ends = sums[:, :, :, -1:].exp()
        left = k * (sums[:, :, :, -1:] - sums).exp()
    triangle = identity + (beta * (k @ k.mT) * mask).tril(-1)
    both = torch.linalg.solve_triangular(triangle, torch.cat([beta * v, beta * entered * k], -1), upper=False,
                                         unitriangular=True)
    u, w = both.split([v.shape[-1], k.shape[-1]], -1)
    state, entering, written = torch.zeros_like(k[:, :, 0].mT @ v[:, :, 0]), [], []
    for n in range(u.shape[2]):
        write = u[:, :, n] - w[:, :, n] @ state
        entering.append(state)
        written.append(write)
        state = ends[:, :, n] * state + left[:, :, n].mT @ write
    scores = ((q @ k.mT) * mask).tril()
    o = scores @ torch.stack(written, 2) + (q * entered) @ torch.stack(entering, 2)
    return rows(o * q.shape[-1] ** -0.5)


def deltanet(q, k, v, beta, *, heads, size):
    return delta_rule(q, k, v, beta, None, heads, size)


def gated_deltanet(q, k, v, log_decay, beta, *, heads, size):
    return delta_rule(q, k, v, beta, log_decay, heads, size)


def selective_scan(x, step, write, read, log_rate, skip, *, size=16):
    """Steps inside a chunk one after the other for all chunks at once, then a loop over the chunks' states."""
    b, t, d = x.shape
    decay = (step[..., None] * -log_rate.exp()).exp().view(b, t // size, size, d, -1)
    inflow = ((step * x)[..., None] * write[:, :, None]).view_as(decay)
    state, product, local, products = torch.zeros_like(decay[:, :, 0]), torch.ones_like(decay[:, :, 0]), [], []
    for i in range(size):
        state = decay[:, :, i] * state + inflow[:, :, i]
        product = product * decay[:, :, i]
        local.append(state)
        products.append(product)
    carried, entering = torch.zeros_like(decay[:, 0, 0]), []
    for n in range(t // size):
        entering.append(carried)
        carried = product[:, n] * carried + state[:, n]
    h = torch.stack(local, 2) + torch.stack(products, 2) * torch.stack(entering, 1)[:, :, None]
    return (h.view(b, t, d, -1) @ read[..., None]).squeeze(-1) + skip * x


def lstm(x, input, weight, bias):
    """One head."""
    b, _, d = x.shape
    zero = x.new_zeros(1, b, d)
    return torch.lstm(x, (zero, zero), [input, weight, bias, torch.zeros_like(bias)], True, 1, 0.0, True, False, True)[0]


def adamw(start, gradient):
    """A function that makes one step, and the weights."""
    weight = torch.nn.Parameter(start.clone())
    weight.grad = gradient
    optimizer = torch.optim.AdamW([weight], lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, fused=True)
    return optimizer.step, weight


CHUNKED = {"linear_attention", "retnet", "gla", "deltanet", "gated_deltanet"}
