"""What both timed programs say of themselves."""

import resource

import torch


def peak_resident_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def relative_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Norm of the difference over the norm of what it is compared with."""
    ours, theirs = ours.detach().double().flatten(), theirs.detach().double().flatten()
    return ((ours - theirs).norm() / theirs.norm().clamp_min(1e-300)).item()
