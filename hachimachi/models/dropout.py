"""Dropout for sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LockedDropout(nn.Module):
    """Leaves out the same units at every step of a sequence, others in every sequence and every pass.

    As good as a new draw at each step or better (Gal & Ghahramani 2016, https://arxiv.org/abs/1512.05287), and drawn in
    a fraction of its time.

    Args:
        share: Share of the units that is left out in training.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of shape (B, T, ...) with units left out and the others raised to make up for them."""
        if not self.training or not self.share:
            return x
        kept = torch.rand(x.shape[0], 1, *x.shape[2:], device=x.device) >= self.share
        return x * kept.to(x.dtype).div_(1 - self.share)
