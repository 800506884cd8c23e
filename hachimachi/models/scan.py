"""Linear recurrences over a whole sequence: h_t = a_t ⊙ h_{t−1} + b_t."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def scan(decay: Tensor, drive: Tensor, start: Tensor) -> Tensor:
    """Return every h_t.

    On a CPU it walks through time with one fused operation a step and a backward pass written by hand: for windows of
    64 that measured six times faster than scanning by doubling and twenty times faster than in log space, and it is
    exact. Elsewhere, where every operation is a launch, it scans by doubling (Hillis & Steele 1986,
    https://doi.org/10.1145/7902.7903) in log₂ T rounds; with decays from 0 to 1 nothing can overflow.

    Args:
        decay: a, shape (B, T, H), from 0 to 1.
        drive: b, shape (B, T, H).
        start: h before the first step, shape (B, H).
    """
    if decay.device.type == "cpu":
        return _Walk.apply(decay, drive, start)  # pyright: ignore[reportReturnType]
    return double(decay, drive, start)


def double(decay: Tensor, drive: Tensor, start: Tensor) -> Tensor:
    """Do what :func:`scan` does by doubling: each round joins stretches twice as long."""
    h = torch.cat([(drive[:, :1] + decay[:, :1] * start[:, None]), drive[:, 1:]], dim=1)
    reach = 1
    while reach < h.shape[1]:
        h = torch.cat([h[:, :reach], h[:, reach:] + decay[:, reach:] * h[:, :-reach]], dim=1)
        decay = torch.cat([decay[:, :reach], decay[:, reach:] * decay[:, :-reach]], dim=1)
        reach *= 2
    return h


class _Walk(torch.autograd.Function):
    """Step after step, into one tensor."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor, start: Tensor) -> Tensor:
        out, h = torch.empty_like(drive), start
        for a, b, place in zip(decay.unbind(1), drive.unbind(1), out.unbind(1), strict=True):
            h = torch.addcmul(b, a, h, out=place)
        ctx.save_for_backward(decay, out, start)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, out, start = ctx.saved_tensors
        to_drive = grads[0].clone()
        steps, decays = to_drive.unbind(1), decay.unbind(1)
        for t in range(len(steps) - 1, 0, -1):
            steps[t - 1].addcmul_(decays[t], steps[t])
        to_decay = to_drive * torch.cat([start[:, None], out[:, :-1]], dim=1)
        return to_decay, to_drive, decays[0] * steps[0]
